// The wire form, interface 1.0: see plugins/abi.

#[cfg(target_arch = "wasm32")]
pub const MINOR: i32 = 0;
pub const MAJOR: u16 = 1;
pub const BATCH_MAGIC: u32 = 0x3142_4c53;
#[cfg(target_arch = "wasm32")]
pub const RESULT_MAGIC: u32 = 0x3152_4c53;
pub const DROP: u8 = 1;
pub const FAILED: u8 = 2;

/// What a plugin answers when it refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Code {
    BadConfig = 1,
    BadBatch,
    RecordFailed,
    BatchFailed,
    Unsupported,
    Internal,
}

/// The Flink type of a metric. A histogram and a meter arrive as their parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Gauge,
    Counter,
    Meter,
    Histogram,
    Text,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Header {
    pub magic: u32,
    pub major: u16,
    pub minor: u16,
    pub records: u32,
    pub pairs: u32,
    pub strings: u32,
    pub records_at: u32,
    pub pairs_at: u32,
    pub refs_at: u32,
    pub bytes_at: u32,
    pub length: u32,
    pub now: i64,
    pub sequence: u64,
    pub flags: u32,
    pub record_size: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Row {
    pub time: i64,
    pub value: f64,
    pub name: u32,
    pub first: u32,
    pub labels: u16,
    pub kind: u8,
    pub flags: u8,
    pub source: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Pair {
    pub key: u32,
    pub value: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Ref {
    pub at: u32,
    pub length: u32,
}

const _: () = assert!(core::mem::size_of::<Header>() == 64 && core::mem::size_of::<Row>() == 32);
