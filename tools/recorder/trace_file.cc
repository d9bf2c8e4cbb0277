// SPDX-License-Identifier: BSD-3-Clause
#include "tools/recorder/trace_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "tools/recorder/options.h"
#include "tools/recorder/text.h"
#include "tools/trace/encoder.h"

namespace fastmem::recorder {
namespace {

using tools::ChunkHeader;
using tools::Encoder;
using tools::Event;
using tools::Header;
using tools::kChunkBytes;
using tools::kHeaderBytes;
using tools::kMaxEventBytes;

enum class State : std::uint32_t { kFresh = 0, kStarting, kRecording, kOff };

constexpr std::size_t kGrowChunks = 16;
constexpr std::size_t kSpares = 256;
constexpr std::size_t kWorthReusing = std::size_t{1} << 10;

// All zero in a new process and in a forked child.
struct Control {
  std::atomic<State> state;
  std::atomic<std::uint64_t> sequence;
  std::atomic<std::uint32_t> threads;
  std::atomic<bool> locked;
  std::uint32_t run;  // the process's number: what a thread's Local belongs to
  std::byte* file;
  std::uint64_t max_chunks;
  std::uint64_t there;  // chunks that the file has room for
  std::uint64_t device;
  std::uint64_t inode;
  std::size_t spares;  // chunks that ended threads left with room
  std::byte* spare[kSpares];
  char path[PATH_MAX];
};

struct Local {
  Encoder encoder;
  std::uint32_t run = 0;  // Control::run when the encoder was made; another value: the encoder is not ours
  bool busy = false;      // inside the recorder
};

Control* control;
Options options;
std::atomic<bool> options_read{false};
bool forked;  // a fresh state after this was set is a forked child's
pthread_key_t thread_end;
bool have_thread_end;
[[gnu::tls_model("initial-exec")]] constinit thread_local Local local{};

class Lock {
 public:
  Lock() {
    while (control->locked.exchange(true, std::memory_order_acquire)) sched_yield();
  }
  ~Lock() { control->locked.store(false, std::memory_order_release); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

Header* header() { return reinterpret_cast<Header*>(control->file); }

void say(const char* sentence, const char* path, const char* reason) {
  char line[PATH_MAX + 256];
  Text(line, sizeof(line)).add("fastmem recorder: ").add(sentence).add(path).add(reason).add("\n");
  [[maybe_unused]] const long written = syscall(SYS_write, 2, line, std::strlen(line));
}

// As system calls: libc's open and close are cancellation points, which malloc must not be.
int open_raw(const char* path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, 0666));
}
void close_raw(int file) { syscall(SYS_close, file); }

// Pages that are there, so that a full disk is an error here and no signal later.
bool extend(int file, std::uint64_t chunks) {
  const std::uint64_t bytes = kHeaderBytes + chunks * kChunkBytes;
  if (syscall(SYS_fallocate, file, 0, 0L, bytes) == 0) return true;
  return errno == EOPNOTSUPP && syscall(SYS_ftruncate, file, bytes) == 0;
}

int create_file(bool child, int pid) {
  int file = -1;
  for (int attempt = 1; attempt < 100; ++attempt) {
    trace_path(options, child, pid, attempt, control->path);
    file = open_raw(control->path, O_RDWR | O_CREAT | (child ? O_EXCL : O_TRUNC));
    if (file >= 0 || errno != EEXIST) break;
  }
  return file;
}

bool map_file(int file) {
  std::uint64_t max = options.max_bytes;
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < max) max = limit.rlim_cur;  // else: SIGXFSZ
  control->max_chunks = max < kHeaderBytes ? 0 : (max - kHeaderBytes) / kChunkBytes;
  control->there = control->max_chunks < kGrowChunks ? control->max_chunks : kGrowChunks;
  struct stat info {};
  if (control->there == 0 || !extend(file, control->there) || fstat(file, &info) != 0) return false;
  control->device = info.st_dev;
  control->inode = info.st_ino;
  const std::size_t bytes = kHeaderBytes + control->max_chunks * kChunkBytes;
  void* const pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (pages == MAP_FAILED) return false;
  madvise(pages, bytes, MADV_DONTFORK);
  control->file = static_cast<std::byte*>(pages);
  return true;
}

void write_header(int pid) {
  Header& h = *header();
  h.version = tools::kFormatVersion;
  h.header_bytes = kHeaderBytes;
  h.chunk_bytes = kChunkBytes;
  h.pid = static_cast<std::uint32_t>(pid);
  const int file = open_raw("/proc/self/cmdline", O_RDONLY);
  if (file >= 0) {
    const long got = syscall(SYS_read, file, h.command, sizeof(h.command) - 1);
    for (long i = 0; i + 1 < got; ++i) {
      if (h.command[i] == '\0') h.command[i] = ' ';
    }
    close_raw(file);
  }
  std::memcpy(h.magic, tools::kMagic, sizeof(h.magic));
}

// Called once per process, by the one thread that moved the state to kStarting.
bool start() {
  const bool child = options.is_child || forked;
  if (!options.wanted || (forked && !options.children)) return false;
  const int pid = static_cast<int>(syscall(SYS_getpid));
  const int file = create_file(child, pid);
  if (file < 0) {
    say("cannot write ", control->path, "; recording nothing");
    return false;
  }
  const bool mapped = map_file(file);
  close_raw(file);
  if (!mapped) {
    say("no room for ", control->path, "; recording nothing");
    return false;
  }
  write_header(pid);
  control->run = static_cast<std::uint32_t>(pid);
  return true;
}

void on_thread_end(void*);

// Before there are threads.
bool prepare() {
  if (options_read.load(std::memory_order_acquire)) return control != nullptr;
  if (!read_options(options)) return false;
  void* const page = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (options.wanted && page != MAP_FAILED) {
    if (madvise(page, sizeof(Control), MADV_WIPEONFORK) == 0) {
      control = static_cast<Control*>(page);
      have_thread_end = pthread_key_create(&thread_end, on_thread_end) == 0;
    } else {
      say("this kernel is older than 4.14; recording nothing", "", "");
    }
  }
  options_read.store(true, std::memory_order_release);
  return control != nullptr;
}

bool ready_slow() {
  if (!prepare()) return false;
  State seen = State::kFresh;
  if (control->state.compare_exchange_strong(seen, State::kStarting)) {
    const bool started = start();
    forked = true;
    control->state.store(started ? State::kRecording : State::kOff, std::memory_order_release);
    return started;
  }
  while (seen == State::kStarting) {
    sched_yield();
    seen = control->state.load(std::memory_order_acquire);
  }
  return seen == State::kRecording;
}

// The limit is reached: what was drawn until now counts, nothing after it.
void cut() {
  control->state.store(State::kOff);
  header()->cut_after = control->sequence.load();
  say("the limit is reached; the trace is cut: ", control->path, "");
}

bool grow_locked() {
  if (control->there == control->max_chunks) return false;
  std::uint64_t wanted = control->there + kGrowChunks;
  if (wanted > control->max_chunks) wanted = control->max_chunks;
  const int file = open_raw(control->path, O_RDWR);
  if (file < 0) return false;
  struct stat info {};
  const bool grown = fstat(file, &info) == 0 && info.st_dev == control->device && info.st_ino == control->inode &&
                     extend(file, wanted);
  close_raw(file);
  if (grown) control->there = wanted;
  return grown;
}

std::byte* take_chunk() {
  const Lock lock;
  if (control->state.load() != State::kRecording) return nullptr;
  if (local.run != control->run && control->spares > 0) return control->spare[--control->spares];
  if (header()->chunks == control->there && !grow_locked()) {
    cut();
    return nullptr;
  }
  std::byte* const chunk = control->file + kHeaderBytes + header()->chunks * kChunkBytes;
  __atomic_store_n(&header()->chunks, header()->chunks + 1, __ATOMIC_RELEASE);
  return chunk;
}

bool new_chunk_slow() {
  std::byte* const chunk = take_chunk();
  if (chunk == nullptr) return false;
  const bool first = local.run != control->run;
  if (first && have_thread_end) pthread_setspecific(thread_end, &local);
  const std::uint32_t thread = first ? control->threads.fetch_add(1) : local.encoder.thread();
  local.run = control->run;
  local.encoder.begin(chunk, kChunkBytes, thread, control->sequence.load());
  return true;
}

// The rest of its chunk serves another thread. Destructors that run later start anew.
void on_thread_end(void*) {
  if (control->state.load() != State::kRecording || local.run != control->run) return;
  const Lock lock;
  if (local.encoder.room() >= kWorthReusing && control->spares < kSpares) {
    control->spare[control->spares++] = local.encoder.chunk();
  }
  local.run = 0;
}

// Runs write(encoder, sequence number) where this thread may record.
template <class Write>
[[gnu::always_inline]] inline void record(Write write) {
  if (local.busy) return;
  local.busy = true;
  const int error = errno;
  const bool ready = control != nullptr && control->state.load(std::memory_order_acquire) == State::kRecording;
  if (ready || ready_slow()) {
    if ((local.run == control->run && local.encoder.room() >= kMaxEventBytes) || new_chunk_slow()) {
      const std::uint64_t sequence = control->sequence.fetch_add(1) + 1;
      if (sequence <= options.max_events) [[likely]] {
        write(local.encoder, sequence);
      } else {
        const Lock lock;
        if (control->state.load() == State::kRecording) {
          control->sequence.store(options.max_events);
          cut();
        }
      }
    }
  }
  errno = error;
  local.busy = false;
}

std::uint64_t number(const void* ptr) { return reinterpret_cast<std::uintptr_t>(ptr); }

[[gnu::constructor]] void begin_recording() {
  // Programs that never allocate have a trace too.
  local.busy = true;
  ready_slow();
  local.busy = false;
}

// Only tidies up: a file that ends without this is as good.
[[gnu::destructor]] void end_recording() {
  if (control == nullptr || control->file == nullptr) return;
  const Lock lock;
  header()->ended = 1;
  const int file = open_raw(control->path, O_RDWR);
  if (file < 0) return;
  struct stat info {};
  if (fstat(file, &info) == 0 && info.st_dev == control->device && info.st_ino == control->inode) {
    syscall(SYS_ftruncate, file, kHeaderBytes + header()->chunks * kChunkBytes);
    control->there = header()->chunks;
  }
  close_raw(file);
}

}  // namespace

void record_alloc(std::size_t size, const void* ptr) {
  record([=](Encoder& e, std::uint64_t s) { e.alloc(Event::kAlloc, s, size, number(ptr)); });
}
void record_calloc(std::size_t size, const void* ptr) {
  record([=](Encoder& e, std::uint64_t s) { e.alloc(Event::kCalloc, s, size, number(ptr)); });
}
void record_aligned(std::size_t alignment, std::size_t size, const void* ptr) {
  record([=](Encoder& e, std::uint64_t s) { e.aligned(s, alignment, size, number(ptr)); });
}
void record_free(const void* ptr) {
  record([=](Encoder& e, std::uint64_t s) { e.release(Event::kFree, s, number(ptr)); });
}
void record_realloc_begin(const void* ptr) {
  record([=](Encoder& e, std::uint64_t s) { e.release(Event::kReallocBegin, s, number(ptr)); });
}
void record_realloc_end(std::size_t size, const void* ptr) {
  record([=](Encoder& e, std::uint64_t s) { e.alloc(Event::kReallocEnd, s, size, number(ptr)); });
}

}  // namespace fastmem::recorder
