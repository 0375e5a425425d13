// The red team: what hostile programs try, and how each try has to end. `fulgur sandbox doctor` and the tests run them.
#pragma once

#include <string_view>

namespace fulgur {

enum class AttackRuns { kJudge, kRepository };

struct Attack {
  std::string_view name;
  std::string_view what;  // the program tries to ...
  AttackRuns as = AttackRuns::kJudge;
  // How the run must end: names of RunEnd, separated by spaces. With "exit" the program has to say that it was refused.
  std::string_view ends = "exit";
};

inline constexpr AttackRuns kRepo = AttackRuns::kRepository;

inline constexpr Attack kAttacks[] = {
    // processes
    {"fork", "start a second process where only one is allowed"},
    {"vfork", "start a second process by vfork"},
    {"clone3", "start a second process by clone3"},
    {"fork_bomb", "start processes without end", kRepo},
    {"thread_bomb", "start threads without end"},
    {"thread_bomb_repository", "start threads without end, among processes", kRepo},
    {"daemon", "leave a process behind by setsid and two forks", kRepo},
    {"orphans", "leave many processes behind", kRepo},
    {"kill_all", "kill every process there is (pid -1)", kRepo},
    {"kill_init", "kill or stop process 1"},
    {"kill_group", "kill the group of the process that started it"},
    {"kill_outside", "send signals to processes outside"},
    {"ptrace_init", "attach to process 1 as a debugger"},
    {"ptrace_me", "become the debugger of its own child", kRepo},
    {"process_vm", "read the memory of process 1"},
    {"limit_init", "take CPU time from process 1 by its limits"},
    {"raise_limits", "raise its own limits"},
    {"real_time", "run before all others by a real-time priority"},
    {"nice", "raise its priority"},
    {"exec_setuid", "become root by a setuid program", kRepo},
    // time
    {"spin", "run for ever", AttackRuns::kJudge, "cpu"},
    {"spin_threads", "run for ever in many threads", AttackRuns::kJudge, "cpu"},
    {"spin_deaf", "run for ever and ignore all signals", AttackRuns::kJudge, "cpu"},
    {"spin_children", "run for ever in many short children", kRepo, "cpu"},
    {"sleep", "wait for ever", AttackRuns::kJudge, "wall"},
    {"sleep_stopped", "stop itself and never go on", AttackRuns::kJudge, "wall"},
    // memory
    {"memory", "take all memory", AttackRuns::kJudge, "memory"},
    {"memory_map", "take all memory by maps", AttackRuns::kJudge, "memory"},
    {"memory_children", "take all memory in many children", kRepo, "memory"},
    {"stack", "take all memory by recursion", AttackRuns::kJudge, "memory signal"},
    {"sysv_shm", "take shared memory of System V"},
    {"sysv_msg", "fill message queues of System V"},
    {"sysv_sem", "take semaphores of System V"},
    {"posix_mq", "fill POSIX message queues"},
    {"posix_shm", "take POSIX shared memory"},
    {"memfd", "take memory as a file without a name"},
    {"memfd_secret", "take memory that the kernel does not show"},
    {"mlock", "lock memory"},
    {"huge_pages", "take huge pages"},
    {"pipe_memory", "fill the kernel's memory by pipes"},
    // files
    {"tmp_bytes", "fill the disk"},
    {"tmp_files", "use up all inodes"},
    {"tmp_sparse", "make a file of a terabyte"},
    {"tmp_deep", "make folders in folders without end"},
    {"descriptors", "open files without end"},
    {"write_usr", "change the system's programs"},
    {"write_root", "write at the root"},
    {"write_etc", "change the system's settings"},
    {"read_shadow", "read the machine's passwords and users' files"},
    {"raw_disk", "read the disk below the files"},
    {"device_node", "make a device"},
    {"handle", "open a file by its number"},
    {"inherited", "use descriptors that it was left"},
    {"dev_fd", "open its standard streams anew to get at the pipes' other ends"},
    // the kernel's interfaces
    {"proc_others", "see processes of others"},
    {"proc_init_memory", "read the memory of process 1 by /proc"},
    {"proc_init_root", "leave by the root of process 1"},
    {"proc_init_fd", "use descriptors of process 1"},
    {"proc_sys", "change the kernel's settings"},
    {"proc_sysrq", "reboot by sysrq"},
    {"proc_maps", "map user ids by /proc"},
    {"sys_files", "reach /sys and its cgroups"},
    {"socket", "open a connection to the network"},
    {"socket_unix", "open a connection to a program of the machine"},
    {"socket_raw", "read the network's packets, or talk to the kernel by netlink"},
    {"socketpair", "keep memory in sockets"},
    {"user_namespace", "become root of a new user namespace"},
    {"clone_namespaces", "start a process in new namespaces", kRepo},
    {"set_namespace", "enter the namespaces of process 1"},
    {"mount", "mount file systems"},
    {"unmount", "take mounts away to see what is below"},
    {"chroot", "change its root"},
    {"new_mount_calls", "mount by the newer calls"},
    {"set_ids", "become another user"},
    {"capabilities", "give itself capabilities"},
    {"bpf", "load a program into the kernel"},
    {"perf", "measure the kernel"},
    {"io_uring", "do by io_uring what is not allowed as a call"},
    {"keys", "use the kernel's keys"},
    {"userfaultfd", "handle page faults"},
    {"modules", "load kernel modules"},
    {"reboot", "reboot the machine, or take its swap"},
    {"clock", "set the machine's clock"},
    {"host_name", "rename the machine"},
    {"terminal", "type into the terminal of who started it"},
    {"calls_32", "make calls of 32-bit programs", AttackRuns::kJudge, "signal"},
    {"calls_x32", "make calls of x32 programs", AttackRuns::kJudge, "signal"},
    {"filter", "replace the filter of system calls"},
    {"personality", "change how the kernel treats it"},
    // what it says
    {"flood_out", "write without end", AttackRuns::kJudge, "output"},
    {"flood_err", "write errors without end", AttackRuns::kJudge, "output"},
    {"flood_both", "write to both streams without end", kRepo, "output"},
    {"unread_input", "never read its input"},
    {"closed_input", "close its input at once"},
    {"output_link", "hand out a file of the machine by a symbolic link"},
    {"output_pipe", "hold up who reads its files by a FIFO"},
    {"output_folder", "hand out a folder where a file is expected"},
    {"output_swapped", "swap a file for a link while it is read", kRepo},
};

}  // namespace fulgur
