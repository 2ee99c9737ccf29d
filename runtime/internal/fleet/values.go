package fleet

import (
	"math"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// flows are the counters, and with PerSecond their meters, that follow the load:
// how many per record that the job reads.
var flows = map[string]func(*at) float64{
	"numRecordsIn":                (*at).in,
	"numRecordsOut":               (*at).out,
	"numBytesIn":                  func(a *at) float64 { return recordBytes * a.in() },
	"numBytesOut":                 func(a *at) float64 { return recordBytes * a.out() },
	"numBytesInLocal":             func(a *at) float64 { return .25 * recordBytes * a.in() },
	"numBytesInRemote":            func(a *at) float64 { return .75 * recordBytes * a.in() },
	"numBuffersInLocal":           func(a *at) float64 { return .25 * recordBytes / bufferBytes * a.in() },
	"numBuffersInRemote":          func(a *at) float64 { return .75 * recordBytes / bufferBytes * a.in() },
	"numBuffersOut":               func(a *at) float64 { return recordBytes / bufferBytes * a.out() },
	"numFiredTimers":              func(a *at) float64 { return .05 * a.in() },
	"mailboxMails":                func(a *at) float64 { return .2 * a.share() },
	"numRecordsSend":              (*at).share,
	"numBytesSend":                func(a *at) float64 { return recordBytes * a.share() },
	"numRecordsInErrors":          none,
	"numRecordsSendErrors":        none,
	"numRecordsOutErrors":         none,
	"startWorkFailure":            none,
	"numLateRecordsDropped":       late,
	"lateRecordsDroppedRate":      late,
	"leftNumLateRecordsDropped":   late,
	"leftLateRecordsDroppedRate":  late,
	"rightNumLateRecordsDropped":  late,
	"rightLateRecordsDroppedRate": late,
	"topn.invalidTopSize":         none,
	"cache.hitCount":              func(a *at) float64 { return .92 * a.share() },
	"cache.missCount":             func(a *at) float64 { return .08 * a.share() },
	"cache.loadCount":             func(a *at) float64 { return .08 * a.share() },
	"cache.numLoadFailures":       none,
	"recordsAccepted":             func(a *at) float64 { return .97 * a.share() },
	"recordsRejected":             func(a *at) float64 { return .03 * a.share() },
	"channel.recordsByChannel":    func(a *at) float64 { return a.share() / float64(len(channels)) },
}

// levels are the gauges with a value of their own.
var levels = map[string]func(*at) float64{
	"busyTimeMsPerSecond":              busyTime,
	"backPressuredTimeMsPerSecond":     func(a *at) float64 { return 1000 * a.pressed() },
	"softBackPressuredTimeMsPerSecond": func(a *at) float64 { return 300 * a.pressed() },
	"hardBackPressuredTimeMsPerSecond": func(a *at) float64 { return 700 * a.pressed() },
	"idleTimeMsPerSecond":              func(a *at) float64 { return 1000 * (1 - a.pressed() - a.busy()) },
	"maxSoftBackPressureTimeMs":        func(a *at) float64 { return 80 * a.pressed() },
	"maxHardBackPressureTimeMs":        func(a *at) float64 { return 400 * a.pressed() },
	"maxSoftBackPressuredTimeMs":       func(a *at) float64 { return 80 * a.pressed() },
	"maxHardBackPressuredTimeMs":       func(a *at) float64 { return 400 * a.pressed() },
	"accumulateBusyTimeMs":             func(a *at) float64 { return 1000 * a.v.cost * a.job.busy },
	"accumulateIdleTimeMs":             func(a *at) float64 { return 1000 * (a.job.idle + (1-a.v.cost)*a.job.busy) },
	"accumulateBackPressuredTimeMs":    func(a *at) float64 { return 900 * a.job.heldBack * a.upstream() },
	"changelogBusyTimeMsPerSecond":     none,
	"mailboxQueueSize":                 func(a *at) float64 { return math.Floor(20 * a.pressed()) },
	"initializationTime":               func(a *at) float64 { return 300 + float64(a.seed%200) },
	"currentInputWatermark":            inWatermark,
	"currentOutputWatermark":           outWatermark,
	"currentInput1Watermark":           outWatermark,
	"currentInput2Watermark":           outWatermark,

	"inPoolUsage":                   (*at).full,
	"inputFloatingBuffersUsage":     (*at).full,
	"inputExclusiveBuffersUsage":    (*at).full,
	"outPoolUsage":                  func(a *at) float64 { return max(.1, a.pressed()) },
	"inputQueueLength":              func(a *at) float64 { return 40 * a.full() },
	"inputQueueSize":                func(a *at) float64 { return 40 * bufferBytes * a.full() },
	"outputQueueLength":             func(a *at) float64 { return 1 + 20*a.pressed() },
	"outputQueueSize":               func(a *at) float64 { return bufferBytes * (1 + 20*a.pressed()) },
	"AvailableMemorySegments":       func(a *at) float64 { return 4096 - a.segments() },
	"UsedMemorySegments":            (*at).segments,
	"TotalMemorySegments":           func(*at) float64 { return 4096 },
	"Shuffle.Netty.AvailableMemory": func(a *at) float64 { return bufferBytes * (4096 - a.segments()) },
	"Shuffle.Netty.UsedMemory":      func(a *at) float64 { return bufferBytes * a.segments() },
	"Shuffle.Netty.TotalMemory":     func(*at) float64 { return bufferBytes * 4096 },
	"RequestedMemoryUsage":          func(a *at) float64 { return a.segments() / 40.96 },

	"pendingRecords":           func(a *at) float64 { return a.share() * a.job.backlog },
	"pendingBytes":             func(a *at) float64 { return recordBytes * a.share() * a.job.backlog },
	"currentFetchEventTimeLag": func(a *at) float64 { return 1000 * a.job.delay() },
	"currentEmitEventTimeLag":  func(a *at) float64 { return 1000*a.job.delay() + 12 },
	"watermarkLag":             func(a *at) float64 { return 1000*a.job.delay() + outOfOrderMs },
	"watermarkLatency":         func(a *at) float64 { return 1000*a.job.delay() + outOfOrderMs },
	"sourceIdleTime":           none,
	"numSplitsProcessed":       none,
	"largestMeasure":           func(a *at) float64 { return a.once(30*time.Second, a.near(900)) },
	"currentSendTime":          func(a *at) float64 { return a.near(4) * (1 + 30*a.held()) },
	"commitsSucceeded":         func(a *at) float64 { return math.Floor(a.running().Seconds() / checkpointEvery.Seconds()) },
	"commitsFailed":            none,
	"unassignedSplits":         none,
	"cache.numCachedRecords":   func(a *at) float64 { return a.near(9000) },
	"currentOffset":            offset,
	"currentOffsets":           offset,
	"committedOffset":          committed,
	"committedOffsets":         committed,

	"numRestarts":                      func(a *at) float64 { return float64(a.job.number) },
	"fullRestarts":                     func(a *at) float64 { return float64(a.job.number) },
	"numRescales":                      none,
	"uptime":                           func(a *at) float64 { return a.up() },
	"runningTime":                      func(a *at) float64 { return a.up() },
	"downtime":                         func(a *at) float64 { return a.down() },
	"restartingTime":                   func(a *at) float64 { return max(a.down(), ms(downFor)*float64(min(a.job.number, 1))) },
	"failingTime":                      none,
	"cancellingTime":                   none,
	"lastCheckpointDuration":           func(a *at) float64 { return ms(a.job.took) },
	"lastCheckpointSize":               func(a *at) float64 { return a.job.size },
	"lastCheckpointFullSize":           func(a *at) float64 { return 3 * a.job.size },
	"lastCheckpointProcessedData":      func(a *at) float64 { return .1 * a.job.size },
	"lastCheckpointPersistedData":      none,
	"lastCompletedCheckpointId":        func(a *at) float64 { return float64(a.job.checkpoints.done + a.job.failed) },
	"lastCheckpointCompletedTimestamp": func(a *at) float64 { return float64(a.job.completed.UnixMilli()) },
	"lastCheckpointRestoreTimestamp":   restored,
	"numberOfInProgressCheckpoints":    none,
	"numberOfCompletedCheckpoints":     func(a *at) float64 { return float64(a.job.checkpoints.done) },
	"numberOfFailedCheckpoints":        func(a *at) float64 { return float64(a.job.failed) },
	"totalNumberOfCheckpoints":         func(a *at) float64 { return float64(a.job.checkpoints.done + a.job.failed) },

	"numRegisteredTaskManagers": func(a *at) float64 { return float64(len(a.job.processes) - 1) },
	"numPendingTaskManagers":    none,
	"numRunningJobs":            func(*at) float64 { return 1 },
	"taskSlotsAvailable":        none,
	"taskSlotsTotal":            func(a *at) float64 { return float64(slots * (len(a.job.processes) - 1)) },

	"CPU.Load":                            func(a *at) float64 { return .03 + .6*a.job.use },
	"CPU.Time":                            func(a *at) float64 { return 4e8 * a.running().Seconds() },
	"Threads.Count":                       func(a *at) float64 { return 60 + float64(a.seed%40) },
	"ClassesLoaded":                       func(a *at) float64 { return 9000 + float64(a.seed%2000) },
	"ClassesUnloaded":                     none,
	"Heap.Max":                            func(*at) float64 { return heapBytes },
	"Heap.Committed":                      func(*at) float64 { return heapBytes },
	"Heap.Used":                           func(a *at) float64 { return heapBytes * (.25 + .45*a.untilCollection()) },
	"NonHeap.Max":                         func(*at) float64 { return 744 << 20 },
	"Metaspace.Max":                       func(*at) float64 { return 256 << 20 },
	"Mapped.Count":                        none,
	"Mapped.MemoryUsed":                   none,
	"Mapped.TotalCapacity":                none,
	"Managed.Total":                       func(*at) float64 { return 512 << 20 },
	"Managed.Used":                        func(*at) float64 { return 384 << 20 },
	"G1_Young_Generation.Count":           (*at).collections,
	"G1_Young_Generation.Time":            func(a *at) float64 { return collectionMs * a.collections() },
	"G1_Young_Generation.TimeMsPerSecond": func(*at) float64 { return collectionMs / collectEvery },
	"G1_Old_Generation.Count":             none,
	"G1_Old_Generation.Time":              none,
	"G1_Old_Generation.TimeMsPerSecond":   none,
	"All.Count":                           (*at).collections,
	"All.Time":                            func(a *at) float64 { return collectionMs * a.collections() },
	"All.TimeMsPerSecond":                 func(*at) float64 { return collectionMs / collectEvery },
}

// others are the metrics that are no numbers.
var others = map[string]read{
	"isBackPressured":            flag(func(a *at) bool { return a.pressed() > 0 }),
	"lastCheckpointExternalPath": text(func(a *at) string { return a.job.path }),
	"profileCacheReady":          flag(func(a *at) bool { return a.running() > 20*time.Second }),
	"rulesVersion":               text(func(a *at) string { return "r" + a.job.since.UTC().Format("2006-01-02") }),
}

// userMetrics are what the code of the jobs registers.
var userMetrics = []catalogue.Entry{
	{Scope: userScope, Name: "recordsAccepted", Kind: metric.Counter, Meaning: catalogue.Count, Unit: "records", Origin: metric.Custom},
	{Scope: userScope, Name: "recordsAcceptedPerSecond", Kind: metric.Meter, Meaning: catalogue.Rate, Unit: "records/s", Origin: metric.Custom},
	{Scope: userScope, Name: "recordsRejected", Kind: metric.Counter, Meaning: catalogue.Count, Unit: "records", Origin: metric.Custom},
	{Scope: userScope, Name: "channel.recordsByChannel", Kind: metric.Counter, Meaning: catalogue.Count, Unit: "records", Origin: metric.Custom},
	{Scope: userScope, Name: "scoringMs", Kind: metric.Histogram, Meaning: catalogue.Summary, Unit: "milliseconds", Origin: metric.Custom},
	{Scope: userScope, Name: "largestMeasure", Kind: metric.Gauge, Meaning: catalogue.Level, Unit: "", Origin: metric.Custom},
	{Scope: userScope, Name: "profileCacheReady", Kind: metric.Gauge, Meaning: catalogue.Flag, Unit: "0/1", Origin: metric.Custom},
	{Scope: userScope, Name: "rulesVersion", Kind: metric.Gauge, Meaning: catalogue.Text, Unit: "version", Origin: metric.Custom},
}

const userScope = "taskmanager.job.task.operator"

// channels are the values of a variable that a job adds to one of its metrics.
var channels = []string{"app", "store", "web"}
