/*
 * Floor of the exit loop: run a guest to its debug-exit with a switch and counters, as small as such a loop can be.
 * Usage: port-loop ELF RAM_MIB OUTPUT_FILE
 * Serial bytes go to OUTPUT_FILE in writes of up to 4 KiB. Prints one JSON object: seconds in the loop, exits, and exit
 * counts by reason and by port.
 */
#include "loader.h"

enum { DEBUG_EXIT = 0xf4, SERIAL = 0x3f8, SERIAL_LSR = 0x3fd, LSR_IDLE = 0x60, REASONS = 64 };

static uint64_t by_reason[REASONS], by_port[65536];
static uint8_t pending[4096];
static size_t pending_length;
static int output;

static void flush_serial(void)
{
	for (size_t done = 0; done < pending_length;)
		done += check(write(output, pending + done, pending_length - done), "write of serial output");
	pending_length = 0;
}

static void serial_byte(uint8_t byte)
{
	pending[pending_length++] = byte;
	if (pending_length == sizeof pending)
		flush_serial();
}

/* Serves one port exit; returns 1 when it was the debug exit, whose value is then in *status. */
static int serve_port(struct kvm_run *run, uint32_t *status)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint16_t port = run->io.port;
	uint32_t size = run->io.size, count = run->io.count;

	by_port[port]++;
	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, port == SERIAL_LSR ? LSR_IDLE : 0xff, (size_t)size * count);
		return 0;
	}
	switch (port) {
	case DEBUG_EXIT:
		*status = 0;
		memcpy(status, data, size);
		return 1;
	case SERIAL:
		for (uint32_t i = 0; i < count; i++)
			serial_byte(data[i * size]);
		return 0;
	default:
		return 0;
	}
}

static void print_counts(const char *name, const uint64_t *counts, size_t length)
{
	const char *separator = "";
	printf("\"%s\":{", name);
	for (size_t i = 0; i < length; i++)
		if (counts[i]) {
			printf("%s\"%zu\":%lu", separator, i, counts[i]);
			separator = ",";
		}
	printf("}");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		refuse("usage: port-loop ELF RAM_MIB OUTPUT_FILE");
	struct machine m = machine_open(strtoul(argv[2], NULL, 0) * MIB, 0, 0);
	struct loaded image = load_elf(&m, argv[1]);
	output = check(open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0644), argv[3]);
	machine_enter(&m, image.entry, image.bits);

	uint64_t exits = 0;
	uint32_t status = 0, reason;
	int done = 0;
	double start = now_us();
	while (!done) {
		reason = machine_run(&m);
		exits++;
		by_reason[reason < REASONS ? reason : 0]++;
		switch (reason) {
		case KVM_EXIT_IO:
			done = serve_port(m.run, &status);
			break;
		case KVM_EXIT_MMIO:
			if (!m.run->mmio.is_write)
				memset(m.run->mmio.data, 0xff, m.run->mmio.len);
			break;
		case KVM_EXIT_HLT:
		case KVM_EXIT_SHUTDOWN:
			done = 1;
			break;
		default:
			fprintf(stderr, "exit reason %u\n", reason);
			return 1;
		}
	}
	flush_serial();
	double seconds = (now_us() - start) / 1e6;
	printf("{\"seconds\":%.6f,\"exits\":%lu,\"status\":%u,", seconds, exits, status);
	print_counts("byReason", by_reason, REASONS);
	printf(",");
	print_counts("byPort", by_port, 65536);
	printf("}\n");
	return 0;
}
