//! The module around a plugin: its exports and imports, its memory.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::{slice, str};

use crate::abi::{Code, Level, Pair, Ref, Row, RESULT_MAGIC};
use crate::{Batch, Config, Plugin};

pub const MINOR: i32 = crate::abi::MINOR;

#[link(wasm_import_module = "sluice")]
extern "C" {
    #[link_name = "log"]
    fn import_log(level: i32, at: *const u8, length: usize);
    #[link_name = "fail"]
    fn import_fail(code: i32, record: i32, at: *const u8, length: usize);
    #[link_name = "count"]
    fn import_count(metric: i32, n: i64);
}

pub struct Host;

impl Host {
    pub(crate) fn log(&mut self, level: Level, line: &str) {
        unsafe { import_log(level as i32, line.as_ptr(), line.len()) }
    }
    pub(crate) fn fail(&mut self, code: Code, record: i32, reason: &str) {
        unsafe { import_fail(code as i32, record, reason.as_ptr(), reason.len()) }
    }
    pub(crate) fn count(&mut self, metric: i32, n: i64) {
        unsafe { import_count(metric, n) }
    }
}

#[repr(C)]
struct Answer {
    magic: u32,
    strings: u32,
    refs: *const Ref,
    records: u32,
    rows: *const Row,
    pairs: u32,
    room: *const Pair,
    unused: u32,
}

/// The state of a module.
pub struct Guest<P>(UnsafeCell<State<P>>);

// A module has one thread.
unsafe impl<P> Sync for Guest<P> {}

struct State<P> {
    plugin: Option<P>,
    block: Vec<u64>,
    batch: Batch,
    refs: Vec<Ref>,
    answer: Answer,
}

impl<P: Plugin> Guest<P> {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let answer = Answer {
            magic: RESULT_MAGIC, strings: 0, refs: core::ptr::null(), records: 0, rows: core::ptr::null(),
            pairs: 0, room: core::ptr::null(), unused: 0,
        };
        Guest(UnsafeCell::new(State { plugin: None, block: Vec::new(), batch: Batch::new(Host), refs: Vec::new(), answer }))
    }

    // Calls do not nest, so this is the only reference.
    #[allow(clippy::mut_from_ref)]
    fn state(&self) -> &mut State<P> {
        unsafe { &mut *self.0.get() }
    }

    pub fn alloc(&self, size: u32) -> *mut u8 {
        let block = &mut self.state().block;
        block.clear();
        block.reserve(size as usize / 8 + 1);
        block.as_mut_ptr() as *mut u8
    }

    pub fn init(&self, at: *const u8, length: u32) -> i32 {
        let s = self.state();
        let json = unsafe { str::from_utf8_unchecked(slice::from_raw_parts(at, length as usize)) };
        let made: Result<P, String> = Config::parse(json).and_then(|v| P::new(&Config::of(&v)));
        match made {
            Ok(p) => {
                s.plugin = Some(p);
                0
            }
            Err(reason) => {
                s.batch.host.fail(Code::BadConfig, -1, &reason);
                Code::BadConfig as i32
            }
        }
    }

    pub fn transform(&self, at: *mut u8, length: u32) -> i64 {
        let s = self.state();
        let b = &mut s.batch;
        let plugin = match &mut s.plugin {
            Some(p) if unsafe { b.open(at, length) } => p,
            _ => {
                b.host.fail(Code::BadBatch, -1, "the block is not a batch of interface 1");
                return Code::BadBatch as i64;
            }
        };
        plugin.batch(b);
        b.end();
        let code = b.refused.map_or(0, |c| c as i64);
        if code > Code::RecordFailed as i64 || b.texts().is_empty() && b.added.is_empty() && b.room.is_empty() {
            return code;
        }
        s.refs.clear();
        s.refs.extend(b.texts().iter().map(|t: &Box<str>| Ref { at: t.as_ptr() as u32, length: t.len() as u32 }));
        let a = &mut s.answer;
        (a.strings, a.refs) = (s.refs.len() as u32, s.refs.as_ptr());
        (a.records, a.rows) = (b.added.len() as u32, b.added.as_ptr());
        (a.pairs, a.room) = (b.room.len() as u32, b.room.as_ptr());
        (a as *const Answer as i64) << 32 | core::mem::size_of::<Answer>() as i64
    }
}

#[cfg(feature = "guest")]
mod memory {
    use core::alloc::{GlobalAlloc, Layout};
    use core::arch::wasm32::{memory_grow, memory_size};
    use core::cell::UnsafeCell;
    use core::ptr::null_mut;

    // Memory in sizes that are powers of two, each with a list of what was given back.
    struct Heap(UnsafeCell<([*mut u8; 32], usize)>);

    unsafe impl Sync for Heap {} // a module has one thread

    #[global_allocator]
    static HEAP: Heap = Heap(UnsafeCell::new(([null_mut(); 32], 0)));

    fn class(l: Layout) -> usize {
        l.size().max(l.align()).max(8).next_power_of_two().trailing_zeros() as usize
    }

    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, l: Layout) -> *mut u8 {
            let (free, top) = &mut *self.0.get();
            let c = class(l);
            if !free[c].is_null() {
                let p = free[c];
                free[c] = *(p as *mut *mut u8);
                return p;
            }
            let size = 1usize << c;
            if *top == 0 {
                *top = memory_size(0) << 16;
            }
            let at = (*top + l.align().max(8) - 1) & !(l.align().max(8) - 1);
            let have = memory_size(0) << 16;
            if at + size > have && memory_grow(0, (at + size - have + 0xffff) >> 16) == usize::MAX {
                return null_mut();
            }
            *top = at + size;
            at as *mut u8
        }

        unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
            let (free, _) = &mut *self.0.get();
            let c = class(l);
            *(p as *mut *mut u8) = free[c];
            free[c] = p;
        }
    }

    // What is kept of a text, on one line: a panic must not take memory.
    struct Line {
        text: [u8; 512],
        length: usize,
    }

    impl core::fmt::Write for Line {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            for &b in s.as_bytes() {
                if self.length < self.text.len() {
                    self.text[self.length] = if b == b'\n' { b' ' } else { b };
                    self.length += 1;
                }
            }
            Ok(())
        }
    }

    // A panic says what and where it was, and ends the instance.
    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo) -> ! {
        let mut line = Line { text: [0; 512], length: 0 };
        let _ = core::fmt::write(&mut line, format_args!("{info}")); // a line takes what fits
        unsafe { super::import_fail(crate::abi::Code::Internal as i32, -1, line.text.as_ptr(), line.length) }
        core::arch::wasm32::unreachable()
    }
}
