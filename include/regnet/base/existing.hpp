// Existing: what a writer does where a file is already.
#pragma once

namespace regnet {

enum class Existing { keep, replace };  // keep: an error, even when the file appears meanwhile

}  // namespace regnet
