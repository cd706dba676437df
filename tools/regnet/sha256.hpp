// SHA-256 of a file's bytes, which is what framework authors put into the names of published checkpoints.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <regnet/base/byte_owner.hpp>

// Returns 64 hexadecimal digits. FIPS 180-4.
std::string sha256(std::span<const std::byte> bytes, const regnet::ByteOwner* owner = nullptr);

// The beginning of its sha256 that a published file carries in its name, before the extension and behind a hyphen: mmcls's and torchvision's have eight
// digits, torch.hub takes any number from six up. Empty when there is none.
std::string digest_in_name(const std::string& path);
