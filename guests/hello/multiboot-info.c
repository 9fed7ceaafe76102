/* Multiboot 1: prints all that the loader told it (Multiboot Specification 0.6.96, section 3.3). */
#include "print32.h"

enum { HAS_MEMORY = 1 << 0, HAS_CMDLINE = 1 << 2, HAS_MODULES = 1 << 3, HAS_MAP = 1 << 6 };

struct info {
  uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
struct module {
  uint32_t start, end, name, reserved;
};
struct map_entry {
  uint32_t size; /* of the rest */
  uint64_t base, length;
  uint32_t type;
} __attribute__((packed));

static void print_modules(const struct info *info) {
  const struct module *module = (const struct module *)info->mods_addr;
  for (uint32_t i = 0; i < info->mods_count; i++, module++) {
    print("module: ");
    print((const char *)module->name);
    print(" = ");
    print_bytes((const char *)module->start, module->end - module->start);
    print("\n");
  }
}

static void print_map(const struct info *info) {
  uint32_t at = info->mmap_addr;
  while (at < info->mmap_addr + info->mmap_length) {
    const struct map_entry *entry = (const struct map_entry *)at;
    print_range("map:", entry->base, entry->length, entry->type);
    at += entry->size + sizeof entry->size;
  }
}

int main32(uint32_t eax, const struct info *info) {
  if (eax != MAGIC_MULTIBOOT1_LOADER) {
    print("EAX does not hold the multiboot magic\n");
    return EXIT_PANIC;
  }
  print("Hello from multiboot 1\n");
  if (info->flags & HAS_MEMORY) {
    print("memory: ");
    print_hex(info->mem_lower);
    print(" KiB and ");
    print_hex(info->mem_upper);
    print(" KiB\n");
  }
  if (info->flags & HAS_CMDLINE) {
    print("cmdline: ");
    print((const char *)info->cmdline);
    print("\n");
  }
  if (info->flags & HAS_MODULES)
    print_modules(info);
  if (info->flags & HAS_MAP)
    print_map(info);
  return EXIT_OK;
}
