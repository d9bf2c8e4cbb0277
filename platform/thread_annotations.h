// SPDX-License-Identifier: BSD-3-Clause
// platform/thread_annotations.h -- floor 0. Clang's thread-safety attributes; nothing elsewhere.
#pragma once

#if defined(__clang__)
#define FM_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define FM_THREAD_ATTRIBUTE(x)
#endif

#define FM_CAPABILITY(name) FM_THREAD_ATTRIBUTE(capability(name))
#define FM_SCOPED_CAPABILITY FM_THREAD_ATTRIBUTE(scoped_lockable)
#define FM_GUARDED_BY(lock) FM_THREAD_ATTRIBUTE(guarded_by(lock))
#define FM_PT_GUARDED_BY(lock) FM_THREAD_ATTRIBUTE(pt_guarded_by(lock))
#define FM_REQUIRES(...) FM_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define FM_EXCLUDES(...) FM_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define FM_ACQUIRE(...) FM_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define FM_TRY_ACQUIRE(...) FM_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define FM_ASSERT_HELD(...) FM_THREAD_ATTRIBUTE(assert_capability(__VA_ARGS__))
#define FM_RELEASE(...) FM_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define FM_NO_THREAD_SAFETY_ANALYSIS FM_THREAD_ATTRIBUTE(no_thread_safety_analysis)
