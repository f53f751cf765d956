#include "base/json_simd.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <simdjson.h>

namespace
{
const size_t first_capacity = 16384;

[[noreturn]] void no_memory(size_t bytes)
{
    std::fprintf(stderr, "lunette: out of memory (a JSON text of %zu bytes)\n", bytes);
    std::abort();
}
} // namespace

struct json_simd {
    json_simd(size_t most, unsigned deepest) : parser(most), size(most), depth(deepest)
    {
    }
    simdjson::dom::parser parser;
    size_t size, depth;
};

/* By hand because the library would grow to exactly each longer text, one allocation a time. */
static void make_room(struct json_simd *simd, size_t len)
{
    size_t capacity = simd->parser.capacity() ? simd->parser.capacity() : first_capacity;
    while (capacity < len)
        capacity *= 2;
    if (capacity > simd->size)
        capacity = simd->size;
    if (simd->parser.allocate(capacity, simd->depth) != simdjson::SUCCESS ||
        simd->parser.doc.allocate(capacity) != simdjson::SUCCESS)
        no_memory(capacity);
}

struct json_simd *json_simd_new(size_t size, unsigned depth)
{
    /* The library counts the value inside the innermost array as one more. */
    return new (std::nothrow) json_simd(size < 64 ? 64 : size, depth + 1);
}

void json_simd_free(struct json_simd *simd)
{
    delete simd;
}

enum json_simd_result json_simd_parse(struct json_simd *simd, const char *text, size_t len)
{
    if (simd->parser.capacity() < len || simd->parser.capacity() == 0)
        make_room(simd, len);
    switch (simd->parser.parse(text, len, false).error()) {
    case simdjson::SUCCESS:
        return JSON_SIMD_OK;
    case simdjson::DEPTH_ERROR:
        return JSON_SIMD_DEEP;
    case simdjson::MEMALLOC:
        no_memory(len);
    default:
        return JSON_SIMD_REFUSED;
    }
}

const uint32_t *json_simd_marks(struct json_simd *simd, const char *text, size_t len, size_t *count)
{
    if (simd->parser.capacity() < len || simd->parser.capacity() == 0)
        make_room(simd, len);
    auto &implementation = *simd->parser.implementation;
    const auto *bytes = reinterpret_cast<const uint8_t *>(text);
    if (len == 0 || len > simd->parser.capacity() ||
        implementation.stage1(bytes, len, simdjson::stage1_mode::regular) != simdjson::SUCCESS)
        return nullptr;
    uint32_t *marks = implementation.structural_indexes.get();
    *count = implementation.n_structural_indexes;
    marks[*count] = marks[0];
    return marks;
}

char *json_simd_unescape(const struct json_simd *simd, const char *text, char *out)
{
    return reinterpret_cast<char *>(simd->parser.implementation->parse_string(
        reinterpret_cast<const uint8_t *>(text), reinterpret_cast<uint8_t *>(out)));
}

int json_simd_double(const char *text, size_t len, double *d)
{
    auto result = std::from_chars(text, text + len, *d);
    return result.ec == std::errc() && result.ptr == text + len ? 0 : -1;
}

const uint64_t *json_simd_words(const struct json_simd *simd)
{
    return simd->parser.doc.tape.get();
}

const uint8_t *json_simd_strings(const struct json_simd *simd)
{
    return simd->parser.doc.string_buf.get();
}
