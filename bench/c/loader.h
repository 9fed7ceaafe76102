/*
 * The loader floor: map an ELF file, copy each PT_LOAD to its physical address, zero the rest of it. It checks what keeps
 * it inside the file and inside RAM, and nothing more.
 */
#ifndef BENCH_LOADER_H
#define BENCH_LOADER_H
#include "kvm.h"
#include <elf.h>
#include <sys/stat.h>

struct loaded {
	uint64_t entry, file_size;
	int bits; /* 32 or 64 */
};

static inline void place(struct machine *m, const uint8_t *file, uint64_t file_size, uint64_t offset, uint64_t filesz,
			 uint64_t memsz, uint64_t paddr)
{
	uint8_t *to = guest(m, paddr, memsz);
	if (!to || filesz > memsz || offset > file_size || filesz > file_size - offset)
		refuse("a PT_LOAD segment does not fit the file or RAM");
	memcpy(to, file + offset, filesz);
	memset(to + filesz, 0, memsz - filesz);
}

#define PLACE_ALL(Ehdr, Phdr)                                                                                            \
	do {                                                                                                             \
		const Ehdr *header = (const void *)file;                                                                 \
		if (header->e_phentsize != sizeof(Phdr) || header->e_phoff > size ||                                     \
		    header->e_phnum * sizeof(Phdr) > size - header->e_phoff)                                             \
			refuse("the program headers are not inside the file");                                           \
		const Phdr *ph = (const void *)(file + header->e_phoff);                                                 \
		for (unsigned i = 0; i < header->e_phnum; i++)                                                           \
			if (ph[i].p_type == PT_LOAD)                                                                     \
				place(m, file, size, ph[i].p_offset, ph[i].p_filesz, ph[i].p_memsz, ph[i].p_paddr);     \
		result.entry = header->e_entry;                                                                          \
	} while (0)

static inline struct loaded load_elf(struct machine *m, const char *path)
{
	struct loaded result = { 0 };
	struct stat st;
	int fd = check(open(path, O_RDONLY | O_CLOEXEC), path);
	check(fstat(fd, &st), path);
	uint64_t size = result.file_size = st.st_size;
	if (size < sizeof(Elf64_Ehdr))
		refuse("not an ELF file");
	const uint8_t *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		die(path);
	if (memcmp(file, ELFMAG, SELFMAG) != 0)
		refuse("not an ELF file");
	result.bits = file[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	if (result.bits == 64)
		PLACE_ALL(Elf64_Ehdr, Elf64_Phdr);
	else
		PLACE_ALL(Elf32_Ehdr, Elf32_Phdr);
	munmap((void *)file, size);
	close(fd);
	return result;
}
#endif
