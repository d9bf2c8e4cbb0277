/* SPDX-License-Identifier: BSD-3-Clause */
#include "examples/dpdk/flow_table.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_fastmem.h>
#include <rte_ip.h>
#include <rte_jhash.h>
#include <rte_udp.h>
#include <stdbool.h>
#include <string.h>

#define BUCKETS 32768u
#define WHEEL_SLOTS 256u
#define TICKS_PER_IDLE 64u /* less than WHEEL_SLOTS: a timer is never armed for a whole turn */
#define FIRST_RECORDS 4u
#define MOST_RECORDS 1024u
#define GARBAGE 96u

/* Both directions make the same key: the lower address, then the lower port, comes first. */
struct flow_key {
  uint32_t address[2];
  uint16_t port[2];
  uint32_t protocol;
};

struct packet_record {
  uint32_t microseconds; /* since the connection's first packet */
  uint32_t length;
};

struct flow {
  struct flow *next; /* in its bucket */
  struct flow_key key;
  uint32_t n_records;
  uint32_t room; /* in records[] */
  uint64_t first_seen;
  uint64_t last_seen;
  struct packet_record *records; /* the first MOST_RECORDS packets */
};

struct flow_timer {
  struct flow_timer *next; /* in its slot of the wheel */
  struct flow *flow;
};

struct flow_table {
  uint64_t idle;
  uint64_t cycles_per_tick;
  uint64_t cycles_per_microsecond;
  uint64_t tick; /* all slots up to this one were looked at */
  rte_fastmem_handle_t flows;
  rte_fastmem_handle_t timers;
  struct flow_counts counts;
  struct flow_timer *wheel[WHEEL_SLOTS];
  struct flow *buckets[BUCKETS];
};

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static bool read_key(const struct rte_mbuf *packet, struct flow_key *key) {
  const size_t length = rte_pktmbuf_data_len(packet);
  const struct rte_ether_hdr *const ethernet = rte_pktmbuf_mtod(packet, const struct rte_ether_hdr *);
  const struct rte_ipv4_hdr *const ip = (const struct rte_ipv4_hdr *)(ethernet + 1);
  if (length < sizeof(*ethernet) + sizeof(*ip)) return false;
  if (ethernet->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) return false;
  if (ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_UDP) return false;
  const size_t header = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * (size_t)RTE_IPV4_IHL_MULTIPLIER;
  if (header < sizeof(*ip) || length < sizeof(*ethernet) + header + sizeof(key->port)) return false;
  /* Later fragments have no ports. */
  if ((ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) != 0) return false;
  /* TCP's header begins with the same ports. */
  const struct rte_udp_hdr *const udp = (const struct rte_udp_hdr *)((const char *)ip + header);
  const bool swap = ip->src_addr != ip->dst_addr ? ip->src_addr > ip->dst_addr : udp->src_port > udp->dst_port;
  *key = (struct flow_key){.protocol = ip->next_proto_id};
  key->address[swap] = ip->src_addr;
  key->address[!swap] = ip->dst_addr;
  key->port[swap] = udp->src_port;
  key->port[!swap] = udp->dst_port;
  return true;
}

static struct flow **bucket_of(struct flow_table *table, const struct flow_key *key) {
  return &table->buckets[rte_jhash(key, sizeof(*key), 0) % BUCKETS];
}

/* ---- what a connection is made of -------------------------------------------------------------------------------- */

static void arm(struct flow_table *table, struct flow_timer *timer) {
  const uint64_t due = timer->flow->last_seen + table->idle;
  struct flow_timer **const slot = &table->wheel[(due / table->cycles_per_tick + 1) % WHEEL_SLOTS];
  timer->next = *slot;
  *slot = timer;
}

static struct flow *add_flow(struct flow_table *table, const struct flow_key *key, uint64_t now) {
  struct flow *const flow = rte_fastmem_halloc(table->flows, RTE_FASTMEM_F_ZERO);
  struct flow_timer *const timer = rte_fastmem_halloc(table->timers, 0);
  struct packet_record *const records = rte_fastmem_alloc(FIRST_RECORDS * sizeof(*records), 0, 0);
  if (flow == NULL || timer == NULL || records == NULL) {
    rte_fastmem_free(flow);
    rte_fastmem_free(timer);
    rte_fastmem_free(records);
    return NULL;
  }
  struct flow **const bucket = bucket_of(table, key);
  flow->next = *bucket;
  flow->key = *key;
  flow->first_seen = flow->last_seen = now;
  flow->records = records;
  flow->room = FIRST_RECORDS;
  timer->flow = flow;
  *bucket = flow;
  arm(table, timer);
  ++table->counts.created;
  ++table->counts.live;
  table->counts.peak = RTE_MAX(table->counts.peak, table->counts.live);
  return flow;
}

static void remember(const struct flow_table *table, struct flow *flow, uint32_t length) {
  if (flow->n_records == flow->room) {
    if (flow->room == MOST_RECORDS) return;
    void *const larger = rte_fastmem_realloc(flow->records, 2 * flow->room * sizeof(*flow->records), 0);
    if (larger == NULL) return; /* the history ends here */
    flow->records = larger;
    flow->room *= 2;
  }
  const uint64_t age = (flow->last_seen - flow->first_seen) / table->cycles_per_microsecond;
  flow->records[flow->n_records++] = (struct packet_record){(uint32_t)age, length};
}

static struct flow *find(struct flow_table *table, const struct flow_key *key) {
  struct flow *flow = *bucket_of(table, key);
  while (flow != NULL && memcmp(&flow->key, key, sizeof(*key)) != 0) flow = flow->next;
  return flow;
}

void flow_table_see(struct flow_table *table, const struct rte_mbuf *packet, uint64_t now) {
  struct flow_key key;
  if (!read_key(packet, &key)) {
    ++table->counts.other;
    return;
  }
  struct flow *flow = find(table, &key);
  if (flow == NULL) flow = add_flow(table, &key, now);
  if (flow == NULL) {
    ++table->counts.untracked;
    return;
  }
  flow->last_seen = now;
  remember(table, flow, rte_pktmbuf_pkt_len(packet));
}

/* ---- removal ----------------------------------------------------------------------------------------------------- */

/* Objects of any size go back together. */
struct garbage {
  void *objects[GARBAGE];
  unsigned int n;
};

static void take_away(struct garbage *garbage) {
  rte_fastmem_free_bulk(garbage->objects, garbage->n);
  garbage->n = 0;
}

static void remove_flow(struct flow_table *table, struct flow_timer *timer, struct garbage *garbage) {
  struct flow *const flow = timer->flow;
  struct flow **link = bucket_of(table, &flow->key);
  while (*link != flow) link = &(*link)->next;
  *link = flow->next;
  --table->counts.live;
  if (garbage->n + 3 > GARBAGE) take_away(garbage);
  garbage->objects[garbage->n++] = flow->records;
  garbage->objects[garbage->n++] = flow;
  garbage->objects[garbage->n++] = timer;
}

/* Packets do not touch timers: a timer that goes off too early is armed anew. */
static void look_at_slot(struct flow_table *table, uint64_t tick, uint64_t now, struct garbage *garbage) {
  struct flow_timer *timer = table->wheel[tick % WHEEL_SLOTS];
  table->wheel[tick % WHEEL_SLOTS] = NULL;
  while (timer != NULL) {
    struct flow_timer *const next = timer->next;
    if (now - timer->flow->last_seen < table->idle) {
      arm(table, timer);
    } else {
      remove_flow(table, timer, garbage);
      ++table->counts.expired;
    }
    timer = next;
  }
}

void flow_table_expire(struct flow_table *table, uint64_t now) {
  const uint64_t now_tick = now / table->cycles_per_tick;
  if (now_tick == table->tick) return;
  struct garbage garbage = {.n = 0};
  const uint64_t slots = RTE_MIN(now_tick - table->tick, (uint64_t)WHEEL_SLOTS);
  for (uint64_t tick = now_tick - slots + 1; tick <= now_tick; ++tick) look_at_slot(table, tick, now, &garbage);
  table->tick = now_tick;
  take_away(&garbage);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct flow_table *flow_table_create(uint64_t idle) {
  RTE_BUILD_BUG_ON(TICKS_PER_IDLE + 2 > WHEEL_SLOTS);
  struct flow_table *const table = rte_fastmem_alloc(sizeof(*table), 0, RTE_FASTMEM_F_ZERO);
  if (table == NULL) return NULL;
  /* A handle spares the search for the class. */
  if (rte_fastmem_hlookup(sizeof(struct flow), 0, SOCKET_ID_ANY, &table->flows) != 0 ||
      rte_fastmem_hlookup(sizeof(struct flow_timer), 0, SOCKET_ID_ANY, &table->timers) != 0) {
    rte_fastmem_free(table);
    return NULL;
  }
  table->idle = idle;
  table->cycles_per_tick = RTE_MAX(idle / TICKS_PER_IDLE, 1u);
  table->cycles_per_microsecond = RTE_MAX(rte_get_timer_hz() / 1000000, 1u);
  table->tick = rte_get_timer_cycles() / table->cycles_per_tick;
  return table;
}

void flow_table_destroy(struct flow_table *table) {
  if (table == NULL) return;
  struct garbage garbage = {.n = 0};
  for (unsigned int slot = 0; slot < WHEEL_SLOTS; ++slot) {
    for (struct flow_timer *timer = table->wheel[slot], *next; timer != NULL; timer = next) {
      next = timer->next;
      remove_flow(table, timer, &garbage);
    }
  }
  take_away(&garbage);
  rte_fastmem_free(table);
}

struct flow_counts flow_table_counts(const struct flow_table *table) {
  return table->counts;
}
