package host

// Metric is one thing that is measured.
type Metric struct {
	Scope, Name string
	Counts      bool // it only grows, else it is a level
	Unit        string
	Meaning     string // with the labels that tell its series apart, in braces
}

// The entries of Metrics, by the file they come from.
const (
	cgUsage = iota // cpu.stat
	cgUser
	cgSystem
	cgPeriods
	cgThrottledPeriods
	cgThrottled
	cgCores // cpu.max
	cgMemory
	cgMemoryLimit
	cgWorkingSet // memory.stat
	cgArea
	cgFaults
	cgEvents // memory.events
	cgReadBytes
	cgWriteBytes
	cgReads
	cgWrites
	cgPids
	cgPidsLimit
	cgSome // *.pressure
	cgFull

	cpuTime // stat
	cpus
	switches
	forks
	procsRunning
	procsBlocked
	bootTime
	load // loadavg
	memTotal
	memAvailable
	memFree
	memBuffers
	memCached
	swapTotal
	swapFree
	diskReads // diskstats
	diskReadBytes
	diskWrites
	diskWriteBytes
	diskBusy
	netReceivedBytes // net/dev
	netReceivedPackets
	netReceivedErrors
	netReceivedDrops
	netSentBytes
	netSentPackets
	netSentErrors
	netSentDrops
	some // pressure/*
	full
	fsSize // statfs
	fsAvailable
	fsFiles
	fsFilesFree

	procUser // PID/stat
	procSystem
	procFaults
	procThreads // PID/status
	procResident
	procPeak
	procVirtual
	procSwap
	procSwitches
	procFiles // PID/fd
	procFilesLimit
)

const (
	cgroupScope  = "host.cgroup"
	machineScope = "host"
	processScope = "host.process"
)

// Metrics is everything that a Reader may give. Counters are whole numbers on
// the wire, so times that are counted keep the unit of the kernel: as seconds,
// a delta over ten seconds would be wrong by up to a tenth.
var Metrics = [...]Metric{
	cgUsage:            {cgroupScope, "cpu.usage_microseconds", true, "µs", "CPU time used"},
	cgUser:             {cgroupScope, "cpu.user_microseconds", true, "µs", "CPU time used in user mode"},
	cgSystem:           {cgroupScope, "cpu.system_microseconds", true, "µs", "CPU time used in the kernel"},
	cgPeriods:          {cgroupScope, "cpu.periods", true, "", "periods with a CPU quota in force"},
	cgThrottledPeriods: {cgroupScope, "cpu.throttled_periods", true, "", "those in which it was used up"},
	cgThrottled:        {cgroupScope, "cpu.throttled_microseconds", true, "µs", "time for which threads were held back by the quota"},
	cgCores:            {cgroupScope, "cpu.limit_cores", false, "cores", "the quota; absent without one"},
	cgMemory:           {cgroupScope, "memory.used_bytes", false, "bytes", "memory charged, with page cache"},
	cgMemoryLimit:      {cgroupScope, "memory.limit_bytes", false, "bytes", "the hard limit; absent without one"},
	cgWorkingSet:       {cgroupScope, "memory.working_set_bytes", false, "bytes", "memory charged without inactive page cache: what the OOM killer looks at"},
	cgArea:             {cgroupScope, "memory.area_bytes", false, "bytes", "memory by what it is used for {area}"},
	cgFaults:           {cgroupScope, "memory.major_faults", true, "", "page faults that had to read from disk"},
	cgEvents:           {cgroupScope, "memory.events", true, "", "limits reached and processes killed {event}: oom_kill is the one to alert on"},
	cgReadBytes:        {cgroupScope, "io.read_bytes", true, "bytes", "read from block devices {device}"},
	cgWriteBytes:       {cgroupScope, "io.written_bytes", true, "bytes", "written to block devices {device}"},
	cgReads:            {cgroupScope, "io.reads", true, "", "reads {device}"},
	cgWrites:           {cgroupScope, "io.writes", true, "", "writes {device}"},
	cgPids:             {cgroupScope, "pids", false, "", "processes and threads"},
	cgPidsLimit:        {cgroupScope, "pids_limit", false, "", "how many there may be; absent without a limit"},
	cgSome:             {cgroupScope, "pressure.some_microseconds", true, "µs", "time in which some task waited for {resource}"},
	cgFull:             {cgroupScope, "pressure.full_microseconds", true, "µs", "time in which all tasks waited for {resource}"},

	cpuTime:            {machineScope, "cpu.milliseconds", true, "ms", "CPU time of all processors by {mode}"},
	cpus:               {machineScope, "cpus", false, "", "processors online"},
	switches:           {machineScope, "context_switches", true, "", "context switches"},
	forks:              {machineScope, "forks", true, "", "processes and threads started"},
	procsRunning:       {machineScope, "processes_running", false, "", "processes that run or could"},
	procsBlocked:       {machineScope, "processes_blocked", false, "", "processes that wait for a disk"},
	bootTime:           {machineScope, "boot_timestamp_seconds", false, "s", "when the machine was started, Unix time"},
	load:               {machineScope, "load", false, "", "load average over {minutes}"},
	memTotal:           {machineScope, "memory.total_bytes", false, "bytes", "memory of the machine"},
	memAvailable:       {machineScope, "memory.available_bytes", false, "bytes", "memory that can be had without swapping"},
	memFree:            {machineScope, "memory.free_bytes", false, "bytes", "memory used for nothing"},
	memBuffers:         {machineScope, "memory.buffers_bytes", false, "bytes", "buffers of block devices"},
	memCached:          {machineScope, "memory.cached_bytes", false, "bytes", "page cache"},
	swapTotal:          {machineScope, "swap.total_bytes", false, "bytes", "swap space"},
	swapFree:           {machineScope, "swap.free_bytes", false, "bytes", "swap space not in use"},
	diskReads:          {machineScope, "disk.reads", true, "", "reads {device}"},
	diskReadBytes:      {machineScope, "disk.read_bytes", true, "bytes", "read {device}"},
	diskWrites:         {machineScope, "disk.writes", true, "", "writes {device}"},
	diskWriteBytes:     {machineScope, "disk.written_bytes", true, "bytes", "written {device}"},
	diskBusy:           {machineScope, "disk.busy_milliseconds", true, "ms", "time with a request under way {device}"},
	netReceivedBytes:   {machineScope, "network.received_bytes", true, "bytes", "received {interface}"},
	netReceivedPackets: {machineScope, "network.received_packets", true, "", "packets received {interface}"},
	netReceivedErrors:  {machineScope, "network.received_errors", true, "", "packets received broken {interface}"},
	netReceivedDrops:   {machineScope, "network.received_drops", true, "", "packets received and dropped {interface}"},
	netSentBytes:       {machineScope, "network.sent_bytes", true, "bytes", "sent {interface}"},
	netSentPackets:     {machineScope, "network.sent_packets", true, "", "packets sent {interface}"},
	netSentErrors:      {machineScope, "network.sent_errors", true, "", "packets not sent for an error {interface}"},
	netSentDrops:       {machineScope, "network.sent_drops", true, "", "packets dropped instead of sent {interface}"},
	some:               {machineScope, "pressure.some_microseconds", true, "µs", "time in which some task waited for {resource}"},
	full:               {machineScope, "pressure.full_microseconds", true, "µs", "time in which all tasks waited for {resource}"},
	fsSize:             {machineScope, "filesystem.size_bytes", false, "bytes", "size of the file system of {dir}"},
	fsAvailable:        {machineScope, "filesystem.available_bytes", false, "bytes", "what an ordinary user may still write to it {dir}"},
	fsFiles:            {machineScope, "filesystem.files", false, "", "inodes of it {dir}"},
	fsFilesFree:        {machineScope, "filesystem.files_free", false, "", "inodes not in use {dir}"},

	procUser:       {processScope, "cpu.user_milliseconds", true, "ms", "CPU time in user mode {pid, process}"},
	procSystem:     {processScope, "cpu.system_milliseconds", true, "ms", "CPU time in the kernel {pid, process}"},
	procFaults:     {processScope, "major_faults", true, "", "page faults that had to read from disk {pid, process}"},
	procThreads:    {processScope, "threads", false, "", "threads {pid, process}"},
	procResident:   {processScope, "resident_bytes", false, "bytes", "memory in RAM {pid, process}"},
	procPeak:       {processScope, "resident_peak_bytes", false, "bytes", "the most memory it ever had in RAM {pid, process}"},
	procVirtual:    {processScope, "virtual_bytes", false, "bytes", "address space {pid, process}"},
	procSwap:       {processScope, "swap_bytes", false, "bytes", "memory swapped out {pid, process}"},
	procSwitches:   {processScope, "context_switches", true, "", "context switches of its main thread {kind, pid, process}"},
	procFiles:      {processScope, "open_files", false, "", "open file descriptors {pid, process}"},
	procFilesLimit: {processScope, "open_files_limit", false, "", "how many there may be; absent without a limit {pid, process}"},
}
