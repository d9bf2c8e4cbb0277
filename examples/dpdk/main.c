/* SPDX-License-Identifier: BSD-3-Clause */
/* l2fwd_flows [EAL options] -- [options]: forwards between two ports, follows the connections that pass, and tells at
 * the end what it allocated. Packet buffers, connections, histories and timers are all objects of rte_fastmem.
 *
 * One lcore does everything; with more, each would have ports and a table of its own, and share only the allocator. */
#include <getopt.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_fastmem.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/dpdk/flow_table.h"
#include "examples/dpdk/packet_pool.h"

#define BURST 32
#define RING_SIZE 512
#define BUFFERS 4095
#define MS_PER_S 1000

struct options {
  uint64_t flow_idle_ms; /* without a packet for so long, a connection is forgotten */
  uint64_t exit_idle_ms; /* without a packet for so long, the program ends; 0: never */
  uint64_t packets;      /* so many, and the program ends; 0: never */
};

struct traffic {
  uint64_t received;
  uint64_t sent;
  uint64_t dropped;
};

static volatile sig_atomic_t g_stop;

static void on_signal(int number) {
  (void)number;
  g_stop = 1;
}

static int fail(const char *what, int error) {
  fprintf(stderr, "l2fwd_flows: %s: %s\n", what, rte_strerror(error < 0 ? -error : error));
  return EXIT_FAILURE;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static int usage(void) {
  fputs(
      "usage: l2fwd_flows [EAL options] -- [options]   (two ports)\n"
      "  --flow-idle MS   forget a connection after so long without a packet (1000)\n"
      "  --exit-idle MS   end after so long without a packet (0: never)\n"
      "  --packets N      end after N packets (0: never)\n",
      stderr);
  return EXIT_FAILURE;
}

static bool parse_number(const char *text, uint64_t *value) {
  const uint64_t most = UINT32_MAX;
  char *end;
  *value = strtoull(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *value <= most;
}

static bool parse_options(int argc, char **argv, struct options *options) {
  static const struct option known[] = {{"flow-idle", required_argument, NULL, 'f'},
                                        {"exit-idle", required_argument, NULL, 'e'},
                                        {"packets", required_argument, NULL, 'p'},
                                        {NULL, 0, NULL, 0}};
  *options = (struct options){.flow_idle_ms = MS_PER_S};
  bool good = true;
  optind = 1; /* EAL has used getopt, too */
  for (int option; good && (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (option == 'f') {
      good = parse_number(optarg, &options->flow_idle_ms);
    } else if (option == 'e') {
      good = parse_number(optarg, &options->exit_idle_ms);
    } else {
      good = option == 'p' && parse_number(optarg, &options->packets);
    }
  }
  return good && optind == argc;
}

/* ---- ports ------------------------------------------------------------------------------------------------------- */

static int start_port(uint16_t port, struct rte_mempool *buffers) {
  const struct rte_eth_conf plain = {0};
  const unsigned int socket = rte_socket_id();
  int error = rte_eth_dev_configure(port, 1, 1, &plain);
  if (error == 0) error = rte_eth_rx_queue_setup(port, 0, RING_SIZE, socket, NULL, buffers);
  if (error == 0) error = rte_eth_tx_queue_setup(port, 0, RING_SIZE, socket, NULL);
  if (error == 0) error = rte_eth_dev_start(port);
  if (error == 0) rte_eth_promiscuous_enable(port); /* not every driver can, or needs to */
  return error;
}

static bool find_ports(uint16_t ports[2]) {
  unsigned int n = 0;
  uint16_t port;
  RTE_ETH_FOREACH_DEV(port) {
    if (n < 2) ports[n] = port;
    ++n;
  }
  return n == 2;
}

static void close_ports(const uint16_t ports[2]) {
  for (int i = 0; i < 2; ++i) {
    rte_eth_dev_stop(ports[i]);
    rte_eth_dev_close(ports[i]);
  }
}

/* ---- forwarding -------------------------------------------------------------------------------------------------- */

static void swap_addresses(struct rte_mbuf *packet) {
  struct rte_ether_hdr *const header = rte_pktmbuf_mtod(packet, struct rte_ether_hdr *);
  if (rte_pktmbuf_data_len(packet) < sizeof(*header)) return;
  const struct rte_ether_addr source = header->src_addr;
  header->src_addr = header->dst_addr;
  header->dst_addr = source;
}

static uint16_t forward_burst(uint16_t from, uint16_t to, struct flow_table *table, struct traffic *traffic,
                              uint64_t now) {
  struct rte_mbuf *packets[BURST];
  const uint16_t received = rte_eth_rx_burst(from, 0, packets, BURST);
  if (received == 0) return 0;
  for (uint16_t i = 0; i < received; ++i) {
    flow_table_see(table, packets[i], now);
    swap_addresses(packets[i]);
  }
  const uint16_t sent = rte_eth_tx_burst(to, 0, packets, received);
  rte_pktmbuf_free_bulk(packets + sent, received - sent);
  traffic->received += received;
  traffic->sent += sent;
  traffic->dropped += received - sent;
  return received;
}

static struct traffic forward(const uint16_t ports[2], struct flow_table *table, const struct options *options) {
  const uint64_t patience = options->exit_idle_ms * rte_get_timer_hz() / MS_PER_S;
  struct traffic traffic = {0};
  uint64_t last_packet = rte_get_timer_cycles();
  while (g_stop == 0) {
    const uint64_t now = rte_get_timer_cycles();
    const uint16_t there = forward_burst(ports[0], ports[1], table, &traffic, now);
    const uint16_t back = forward_burst(ports[1], ports[0], table, &traffic, now);
    flow_table_expire(table, now);
    if (there + back > 0) last_packet = now;
    if (patience > 0 && now - last_packet > patience) break;
    if (options->packets > 0 && traffic.received >= options->packets) break;
  }
  return traffic;
}

/* ---- what it came to --------------------------------------------------------------------------------------------- */

static void print_classes(void) {
  size_t sizes[64];
  const unsigned int n = rte_fastmem_classes(sizes);
  printf("%10s %10s %12s %12s\n", "bytes", "in use", "allocated", "freed");
  for (unsigned int i = 0; i < n; ++i) {
    struct rte_fastmem_class_stats stats;
    if (rte_fastmem_stats_class(sizes[i], &stats) != 0) continue;
    const uint64_t allocated = stats.alloc_cache_hits + stats.alloc_cache_misses;
    if (allocated == 0) continue;
    printf("%10zu %10" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", sizes[i], stats.in_use, allocated,
           stats.free_cache_hits + stats.free_cache_misses);
  }
}

static void print_memory(const char *when) {
  struct rte_fastmem_stats stats;
  rte_fastmem_stats(&stats);
  printf("%s: %" PRIu64 " objects, %" PRIu64 " bytes in use, %" PRIu64 " MiB held, %" PRIu64 " failed\n", when,
         stats.alloc_total - stats.free_total, stats.bytes_in_use, stats.bytes_backing >> 20, stats.alloc_nomem);
}

static void print_report(const struct traffic *traffic, struct flow_counts flows) {
  printf("packets: %" PRIu64 " received, %" PRIu64 " sent, %" PRIu64 " dropped, %" PRIu64 " of no connection\n",
         traffic->received, traffic->sent, traffic->dropped, flows.other);
  printf("flows: %" PRIu64 " created, %" PRIu64 " expired, %" PRIu64 " live, %" PRIu64 " at most, %" PRIu64
         " packets untracked\n",
         flows.created, flows.expired, flows.live, flows.peak, flows.untracked);
  print_memory("at work");
  print_classes();
}

/* ---- from start to end ------------------------------------------------------------------------------------------- */

static int work(const uint16_t ports[2], const struct packet_pool *pool, const struct options *options) {
  struct flow_table *const table = flow_table_create(options->flow_idle_ms * rte_get_timer_hz() / MS_PER_S);
  if (table == NULL) return fail("no flow table", rte_errno);
  int error = start_port(ports[0], pool->mempool);
  if (error == 0) error = start_port(ports[1], pool->mempool);
  if (error == 0) {
    printf("forwarding, %u buffers in %u chunks, mempool ops %s\n", pool->mempool->populated_size, pool->n_chunks,
           rte_mempool_get_ops(pool->mempool->ops_index)->name);
    fflush(stdout);
    const struct traffic traffic = forward(ports, table, options);
    print_report(&traffic, flow_table_counts(table));
  }
  close_ports(ports);
  flow_table_destroy(table);
  return error == 0 ? EXIT_SUCCESS : fail("a port does not start", error);
}

static int run(const struct options *options) {
  uint16_t ports[2];
  if (!find_ports(ports)) return fputs("l2fwd_flows: it takes exactly two ports\n", stderr), EXIT_FAILURE;
  int error = rte_fastmem_init();
  if (error != 0) return fail("rte_fastmem_init", error);
  struct packet_pool pool;
  error = packet_pool_create(&pool, "packets", BUFFERS, (int)rte_socket_id());
  int result = error == 0 ? work(ports, &pool, options) : fail("no packet buffers", error);
  if (error == 0) packet_pool_destroy(&pool);
  print_memory("at the end");
  struct rte_fastmem_stats stats;
  if (rte_fastmem_stats(&stats) != 0 || stats.bytes_in_use != 0) result = EXIT_FAILURE;
  rte_fastmem_deinit();
  return result;
}

int main(int argc, char **argv) {
  const int used = rte_eal_init(argc, argv);
  if (used < 0) return fail("rte_eal_init", rte_errno);
  struct options options;
  if (!parse_options(argc - used, argv + used, &options)) return rte_eal_cleanup(), usage();
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  const int result = run(&options);
  rte_eal_cleanup();
  return result;
}
