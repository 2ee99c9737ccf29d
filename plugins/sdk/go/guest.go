//go:build wasip1

package sluice

import (
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Exports are functions without a receiver, so what they work on is in variables.
var (
	plugin *Plugin
	block  []uint64
	result abi.Result
	refs   []abi.Ref
)

func register(p *Plugin) { plugin = p }

//go:wasmimport sluice log
func importLog(level int32, text string)

//go:wasmimport sluice fail
func importFail(code, record int32, reason string)

//go:wasmimport sluice count
func importCount(metric int32, n int64)

type sluiceHost struct{}

var imports host = sluiceHost{}

func (sluiceHost) log(level Level, text string) { importLog(int32(level), text) }

func (sluiceHost) fail(code abi.Code, record int32, reason string) {
	importFail(int32(code), record, reason)
}

func (sluiceHost) count(metric int32, n int64) { importCount(metric, n) }

//go:wasmexport sluice_abi_1
func exportVersion() int32 { return abi.Minor }

//go:wasmexport sluice_alloc
func exportAlloc(size uint32) uint32 {
	if words := (int(size) + 7) / 8; cap(block) < words {
		block = make([]uint64, words+words/4)
	}
	block = block[:cap(block)]
	return address(unsafe.Pointer(unsafe.SliceData(block)))
}

//go:wasmexport sluice_init
func exportInit(ptr, length uint32) int32 {
	config := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), len(block)*8)
	if plugin == nil || int(length) > len(config) {
		return int32(abi.Internal)
	}
	return int32(plugin.begin(string(config[:length])))
}

//go:wasmexport sluice_transform
func exportTransform(ptr, length uint32) int64 {
	if plugin == nil {
		return int64(abi.Refused(abi.Internal))
	}
	code := plugin.run(block)
	b := &plugin.batch
	if code != 0 && code != abi.RecordFailed || len(b.texts)+len(b.added)+len(b.room) == 0 {
		return int64(abi.Refused(code))
	}
	refs = refs[:0]
	for _, s := range b.texts {
		refs = append(refs, abi.Ref{At: address(unsafe.Pointer(unsafe.StringData(s))), Length: uint32(len(s))})
	}
	result = abi.Result{
		Magic:   abi.ResultMagic,
		Strings: uint32(len(refs)), RefsAt: address(unsafe.Pointer(unsafe.SliceData(refs))),
		Records: uint32(len(b.added)), RecordsAt: address(unsafe.Pointer(unsafe.SliceData(b.added))),
		Pairs: uint32(len(b.room)), PairsAt: address(unsafe.Pointer(unsafe.SliceData(b.room))),
	}
	return int64(abi.Answered(address(unsafe.Pointer(&result))))
}

// address is where something is in the memory of the module.
func address(p unsafe.Pointer) uint32 { return uint32(uintptr(p)) }
