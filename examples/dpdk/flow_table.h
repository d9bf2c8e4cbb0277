/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_table.h -- a table of connections, for one lcore; every byte of it comes from rte_fastmem.
 * A connection is a 5-tuple, either direction. It has an entry, a history of its packets that grows as they come, and
 * a timer that removes all three once no packet came for a while. */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <rte_mbuf.h>
#include <stdint.h>

struct flow_table;

struct flow_counts {
  uint64_t created;
  uint64_t expired;   /* by their timers */
  uint64_t live;      /* now */
  uint64_t peak;      /* the most that were live */
  uint64_t untracked; /* packets of connections that there was no memory for */
  uint64_t other;     /* packets that are not TCP or UDP over IPv4 */
};

/* A connection expires after `idle` timer cycles without a packet. NULL: no memory (rte_errno). */
struct flow_table *flow_table_create(uint64_t idle);

/* Removes what is left. */
void flow_table_destroy(struct flow_table *table);

/* A packet came. `now` is in timer cycles and never goes back. */
void flow_table_see(struct flow_table *table, const struct rte_mbuf *packet, uint64_t now);

/* Removes the connections that are due. Costs a comparison when there is nothing to do. */
void flow_table_expire(struct flow_table *table, uint64_t now);

struct flow_counts flow_table_counts(const struct flow_table *table);

#endif
