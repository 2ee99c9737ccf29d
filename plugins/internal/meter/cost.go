package meter

import "github.com/sluice-metrics/sluice/plugins/internal/module"

// unit is the weight that one unit of fuel pays for.
const unit = 16

// free is the weight up to which a function without loops and calls is paid for by
// the weight of the calls to it.
const free = 12

// weight says how much of a unit an instruction is: 1 for one of about a cycle. Those
// that take many have more, so that a slice of the slowest is not a long time.
func weight(op module.Op) int {
	switch {
	case op <= module.OpLoop || op == opElse || op == module.OpEnd: // none that is run
		return 0
	case op == module.OpCall || op == module.OpCallIndirect:
		return 8
	case op >= 0x28 && op <= 0x3e: // loads and stores, which may miss every cache
		return 4
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // integer division
		return 12
	case op == 0x91, op == 0x95, op == 0x9f, op == 0xa3: // square roots, division
		return 8
	case op >= 0xa8 && op <= 0xbf, op >= 0xfc00 && op <= 0xfc07: // conversions
		return 4
	case op == 0xfde3, op == 0xfde7, op == 0xfdef, op == 0xfdf3: // the same of vectors
		return 12
	case op >= 0xfd00 && op <= 0xfdff:
		return 4
	case op >= module.OpMemoryInit && op <= module.OpTableFill, op == module.OpBrTable,
		op == module.OpTableGet, op == module.OpTableSet:
		return 8
	}
	return 1
}

// frame is what a call of a function adds to the depth: more for one whose frame may
// be large, so that the stack has a bound, too.
func frame(s module.Shape) int32 {
	return int32(1 + s.Variables/32 + s.Size/1024)
}
