/* PVH: prints the hvm_start_info that EBX points to (Xen's public/arch-x86/hvm/start_info.h). */
#include "print32.h"

struct start_info {
  uint32_t magic, version, flags, nr_modules;
  uint64_t modlist, cmdline, rsdp;
  uint64_t memmap; /* from version 1 on */
  uint32_t memmap_entries, reserved;
};
struct module {
  uint64_t start, size, cmdline, reserved;
};
struct map_entry {
  uint64_t base, length;
  uint32_t type, reserved;
};

static const char *text_at(uint64_t address) { return (const char *)(uint32_t)address; }

static void print_modules(const struct start_info *info) {
  const struct module *module = (const struct module *)(uint32_t)info->modlist;
  for (uint32_t i = 0; i < info->nr_modules; i++, module++) {
    print("module: ");
    print(module->cmdline ? text_at(module->cmdline) : "(no name)");
    print(" = ");
    print_bytes(text_at(module->start), (uint32_t)module->size);
    print("\n");
  }
}

int main32(uint32_t eax, const struct start_info *info) {
  (void)eax;
  if (info->magic != MAGIC_PVH_START_INFO) {
    print("EBX does not point to an hvm_start_info\n");
    return EXIT_PANIC;
  }
  print("Hello from PVH\n");
  if (info->cmdline) {
    print("cmdline: ");
    print(text_at(info->cmdline));
    print("\n");
  }
  print_modules(info);
  if (info->version >= 1) {
    const struct map_entry *entry = (const struct map_entry *)(uint32_t)info->memmap;
    for (uint32_t i = 0; i < info->memmap_entries; i++, entry++)
      print_range("map:", entry->base, entry->length, entry->type);
  }
  return EXIT_OK;
}
