// Whole files in and out: written to a temporary name beside the target, synced and renamed, so
// that a reader sees the old file or the new one and never half of it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muonflow {

// Throws IoError (missing, a folder, unreadable).
std::vector<std::byte> read_file(const std::filesystem::path& path);
std::string read_text_file(const std::filesystem::path& path);

// Atomic replace. Throws IoError naming the cause (no such folder, not writable, disk full); the
// temporary file is removed.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

// Makes the renames inside a folder durable.
void sync_folder(const std::filesystem::path& folder);

}  // namespace muonflow
