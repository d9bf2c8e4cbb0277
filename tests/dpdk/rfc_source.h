/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/dpdk/rfc_source.h: entry into the C half of rfc_source_test. */
#ifndef RFC_SOURCE_H
#define RFC_SOURCE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Each runs one group of checks: 0, or the line that failed. Between rte_fastmem_init() and _deinit() unless its name
 * says that it does these itself. */
int rfc_cycle_of_its_own(void);
int rfc_objects(void);
int rfc_bulks(void);
int rfc_handles(void);
int rfc_memory(void);
int rfc_statistics(void);

#ifdef __cplusplus
}
#endif

#endif
