/* Multiboot 2: prints the tags that the loader left (Multiboot2 Specification 2.0, section 3.6). */
#include "print32.h"

enum { TAG_END = 0, TAG_CMDLINE = 1, TAG_LOADER = 2, TAG_MODULE = 3, TAG_MEMORY = 4, TAG_MAP = 6 };

struct tag {
  uint32_t type, size;
};
struct module_tag {
  struct tag tag;
  uint32_t start, end;
  char name[];
};
struct memory_tag {
  struct tag tag;
  uint32_t lower, upper;
};
struct map_tag {
  struct tag tag;
  uint32_t entry_size, entry_version;
};
struct map_entry {
  uint64_t base, length;
  uint32_t type, reserved;
} __attribute__((packed));

static void print_line(const char *what, const char *text) {
  print(what);
  print(text);
  print("\n");
}

static void print_map(const struct map_tag *map) {
  uint32_t end = (uint32_t)map + map->tag.size;
  for (uint32_t at = (uint32_t)(map + 1); at < end; at += map->entry_size) {
    const struct map_entry *entry = (const struct map_entry *)at;
    print_range("map:", entry->base, entry->length, entry->type);
  }
}

static void print_tag(const struct tag *tag) {
  const struct module_tag *module = (const struct module_tag *)tag;
  const struct memory_tag *memory = (const struct memory_tag *)tag;
  switch (tag->type) {
  case TAG_CMDLINE:
    print_line("cmdline: ", (const char *)(tag + 1));
    break;
  case TAG_LOADER:
    print_line("loader: ", (const char *)(tag + 1));
    break;
  case TAG_MODULE:
    print("module: ");
    print(module->name);
    print(" = ");
    print_bytes((const char *)module->start, module->end - module->start);
    print("\n");
    break;
  case TAG_MEMORY:
    print("memory: ");
    print_hex(memory->lower);
    print(" KiB and ");
    print_hex(memory->upper);
    print(" KiB\n");
    break;
  case TAG_MAP:
    print_map((const struct map_tag *)tag);
    break;
  }
}

int main32(uint32_t eax, uint32_t info) {
  if (eax != MAGIC_MULTIBOOT2_LOADER) {
    print("EAX does not hold the multiboot 2 magic\n");
    return EXIT_PANIC;
  }
  print("Hello from multiboot 2\n");
  const struct tag *tag = (const struct tag *)(info + 8);
  for (; tag->type != TAG_END; tag = (const struct tag *)((uint32_t)tag + ((tag->size + 7) & ~7u)))
    print_tag(tag);
  return EXIT_OK;
}
