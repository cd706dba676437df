#include <regnet/version.hpp>

#include "commit.hpp"

namespace regnet {

std::string_view version() { return REGNET_VERSION; }
std::string_view commit() { return REGNET_COMMIT; }

}  // namespace regnet
