# SPDX-License-Identifier: BSD-3-Clause
"""What DPDK's Prometheus exporter (dpdk-telemetry-exporter.py, since DPDK 24.11) tells of fastmem's heaps.

The exporter loads this file from <prefix>/share/dpdk/telemetry-endpoints/, or from a folder that it is told of.
"""

GAUGE, COUNTER = "gauge", "counter"

# Metric -> (what it is, its type, the command's name for it). All have the label "heap".
HEAP = {
    "fastmem_backing_bytes": ("Memory held from EAL", GAUGE, "backing"),
    "fastmem_slab_bytes": ("Memory in slabs", GAUGE, "slabs"),
    "fastmem_in_use_bytes": ("Memory of objects in use", GAUGE, "in_use"),
    "fastmem_cached_bytes": ("Memory of free objects in caches", GAUGE, "cached"),
    "fastmem_metadata_bytes": ("Memory of the allocator's own books", GAUGE, "metadata"),
    "fastmem_regions": ("Regions held from EAL", GAUGE, "regions"),
    "fastmem_elsewhere": ("Allocations served by another node than the one asked", COUNTER, "elsewhere"),
    "fastmem_misuses": ("Double and foreign frees, and the like", COUNTER, "misuses"),
}
# Also with the label "size".
CLASS = {
    "fastmem_class_in_use": ("Objects in use", GAUGE, "in_use"),
    "fastmem_class_cached": ("Free objects in caches", GAUGE, "cached"),
    "fastmem_class_free_in_slabs": ("Free objects in slabs", GAUGE, "free_in_slabs"),
    "fastmem_class_alloc_hits": ("Allocations that a cache served", COUNTER, "alloc_hits"),
    "fastmem_class_alloc_misses": ("Allocations that no cache served", COUNTER, "alloc_misses"),
    "fastmem_class_free_hits": ("Frees that went to a cache", COUNTER, "free_hits"),
    "fastmem_class_free_misses": ("Frees that found the cache full", COUNTER, "free_misses"),
    "fastmem_class_nomem": ("Allocations that failed for want of memory", COUNTER, "nomem"),
}
# Also with the label "lcore": its id, or "shared" for the threads that have none.
LCORE = {
    "fastmem_lcore_allocs": ("Objects allocated", COUNTER, "allocs"),
    "fastmem_lcore_frees": ("Objects freed", COUNTER, "frees"),
    "fastmem_lcore_nomem": ("Allocations that failed for want of memory", COUNTER, "nomem"),
    "fastmem_lcore_cached": ("Free objects in caches", GAUGE, "cached"),
}
# Also with the label "node": EAL's socket id.
NODE = {
    "fastmem_node_backing_bytes": ("Memory held from EAL", GAUGE, "backing"),
    "fastmem_node_slab_bytes": ("Memory in slabs", GAUGE, "slabs"),
    "fastmem_node_free_bytes": ("Memory held, but in no slab", GAUGE, "free"),
    "fastmem_node_limit_bytes": ("The most that may be used", GAUGE, "limit"),
}


def info():
    """Metric -> (description, type)."""
    return {
        name: (description, kind)
        for table in (HEAP, CLASS, LCORE, NODE)
        for name, (description, kind, _) in table.items()
    }


def rows(table, answer, labels):
    # An answer is null when the heap went away since it was listed.
    return [(name, answer[key], labels) for name, (_, _, key) in table.items() if answer and key in answer]


def metrics(sock):
    """[(metric, value, labels)] of the process behind the socket."""
    out = []
    for heap in sock.cmd("/fastmem/list") or []:
        labels = {"heap": heap}
        out += rows(HEAP, sock.cmd("/fastmem/heap", heap), labels)
        for size in sock.cmd("/fastmem/classes", heap) or {}:
            out += rows(CLASS, sock.cmd("/fastmem/class", "%s,%s" % (size, heap)), {**labels, "size": size})
        for lcore, answer in (sock.cmd("/fastmem/lcores", heap) or {}).items():
            out += rows(LCORE, answer, {**labels, "lcore": lcore})
        for node, answer in (sock.cmd("/fastmem/nodes", heap) or {}).items():
            out += rows(NODE, answer, {**labels, "node": node})
    return out
