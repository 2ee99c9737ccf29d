package module

// Limits of what a module may be. Most are there because what compiles in seconds
// must not be made to compile for minutes: a compiler's time and memory grow with the
// product of a function's variables and blocks.
const (
	MaxSize      = 16 << 20  // bytes of a module
	MaxFunctions = 50_000    // not imported
	MaxBody      = 256 << 10 // bytes of a function
	MaxBlocks    = 4_096     // of a function
	MaxVariables = 512       // parameters and locals of a function
	MaxProduct   = 200_000   // variables × blocks of a function
	MaxNest      = 1_024     // blocks in blocks
	MaxBranches  = 8_192     // entries of the branch tables of a function
	MaxDataBytes = 8 << 20   // in data segments
	MaxElements  = 65_536    // of the table
	MaxManifest  = 64 << 10  // bytes
)

// Limits of what is read at all, above which reading alone costs more than the bytes.
const (
	maxTypes    = 10_000
	maxArity    = 1_000 // parameters or results of a type
	maxImports  = 1_000
	maxTables   = 100
	maxGlobals  = 10_000
	maxExports  = 10_000
	maxElems    = 10_000
	maxElements = 1 << 20
	maxSegments = 1 << 20
	maxCustoms  = 1_000
	maxLocals   = 50_000 // of a function
)
