use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{mem, slice, str};

use crate::abi::{Code, Header, Level, Pair, Ref, Row, BATCH_MAGIC, MAJOR};
use crate::record::Record;

// The number of a string that a batch does not have.
pub(crate) const NONE: u32 = u32::MAX;

/// The records of one call.
pub struct Batch {
    pub(crate) header: Header,
    base: *mut u8, // the block; valid until the call returns
    rows: *mut Row,
    pub(crate) pairs: *mut Pair,
    refs: *const Ref,

    texts: Vec<Box<str>>,       // new strings, numbered from header.strings on
    slots: Vec<u32>,            // their places + 1, by hash
    keys: Vec<u32>,             // numbers of those that keys have added
    pub(crate) added: Vec<Row>, // new records
    pub(crate) room: Vec<Pair>, // new pairs, at positions from header.pairs on
    pub(crate) refused: Option<Code>,
    pub(crate) opened: u32, // tells this batch from those before
    pub(crate) serial: u32, // changes with the batch, and when a key is added to it
    pub(crate) named: i32,  // the last record that was given a label; -1: none
    counts: [i64; 32],
    pub(crate) host: Host,
}

// What a plugin may call: imports of the module, or what a test keeps.
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::guest::Host;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::Host;

impl Batch {
    pub(crate) const fn new(host: Host) -> Batch {
        Batch {
            header: Header {
                magic: 0, major: 0, minor: 0, records: 0, pairs: 0, strings: 0, records_at: 0, pairs_at: 0,
                refs_at: 0, bytes_at: 0, length: 0, now: 0, sequence: 0, flags: 0, record_size: 0,
            },
            base: core::ptr::null_mut(),
            rows: core::ptr::null_mut(),
            pairs: core::ptr::null_mut(),
            refs: core::ptr::null(),
            texts: Vec::new(),
            slots: Vec::new(),
            keys: Vec::new(),
            added: Vec::new(),
            room: Vec::new(),
            refused: None,
            opened: 0,
            serial: 0,
            named: -1,
            counts: [0; 32],
            host,
        }
    }

    // Takes a block. It must be 8-aligned, and stay as it is but for what this batch
    // writes.
    pub(crate) unsafe fn open(&mut self, at: *mut u8, length: u32) -> bool {
        if (length as usize) < mem::size_of::<Header>() {
            return false;
        }
        let h = *(at as *const Header);
        if h.magic != BATCH_MAGIC || h.major != MAJOR || h.record_size as usize != mem::size_of::<Row>() || h.length > length {
            return false;
        }
        self.header = h;
        self.base = at;
        self.rows = at.add(h.records_at as usize) as *mut Row;
        self.pairs = at.add(h.pairs_at as usize) as *mut Pair;
        self.refs = at.add(h.refs_at as usize) as *const Ref;
        if !self.texts.is_empty() {
            self.slots.fill(0);
        }
        self.texts.clear();
        self.keys.clear();
        self.added.clear();
        self.room.clear();
        self.refused = None;
        self.named = -1;
        self.opened += 1;
        self.serial += 1;
        true
    }

    /// The number of records that came in.
    pub fn len(&self) -> usize {
        self.header.records as usize
    }

    /// Whether no record came in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Record `i` of those that came in.
    pub fn record(&mut self, i: usize) -> Record<'_> {
        assert!(i < self.len());
        Record { row: unsafe { self.rows.add(i) }, number: i as i32, batch: self }
    }

    /// Unix ms, the same when the batch is processed again; there is no other clock.
    pub fn now(&self) -> i64 {
        self.header.now
    }

    /// Its number, the same when it is processed again.
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// Whether it was processed before.
    pub fn replay(&self) -> bool {
        self.header.flags & 1 != 0
    }

    /// Whether nothing of the result is sent: a test, or a shadow.
    pub fn dry_run(&self) -> bool {
        self.header.flags & 2 != 0
    }

    /// Writes a line to Sluice's log, which takes some lines per second.
    pub fn log(&mut self, level: Level, line: &str) {
        self.host.log(level, line);
    }

    /// Adds to the counter at a place of the manifest's metrics, below 32.
    pub fn count(&mut self, place: usize, n: i64) {
        self.counts[place] += n;
    }

    /// Gives the whole batch up: nothing of it is changed.
    pub fn refuse(&mut self, reason: &str) {
        if self.refused != Some(Code::BatchFailed) {
            self.refused = Some(Code::BatchFailed);
            self.host.fail(Code::BatchFailed, -1, reason);
        }
    }

    pub(crate) fn end(&mut self) {
        for (place, n) in self.counts.iter_mut().enumerate() {
            if *n != 0 {
                self.host.count(place as i32, mem::take(n));
            }
        }
        self.added.retain(|r| r.flags == 0);
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn texts(&self) -> &[Box<str>] {
        &self.texts
    }

    pub(crate) fn text(&self, n: u32) -> &str {
        if n >= self.header.strings {
            return &self.texts[(n - self.header.strings) as usize];
        }
        // Sluice checks that strings are UTF-8.
        unsafe {
            let r = *self.refs.add(n as usize);
            str::from_utf8_unchecked(slice::from_raw_parts(self.base.add(r.at as usize), r.length as usize))
        }
    }

    // The number of a key, NONE when no string that came with the batch is like it, and no
    // key that was added. guess is a number to look at first.
    pub(crate) fn find(&self, s: &str, guess: u32) -> u32 {
        if guess < self.header.strings && self.text(guess) == s {
            return guess;
        }
        for n in 0..self.header.strings {
            if unsafe { (*self.refs.add(n as usize)).length as usize } == s.len() && self.text(n) == s {
                return n;
            }
        }
        self.keys.iter().copied().find(|&n| self.text(n) == s).unwrap_or(NONE)
    }

    // Adds the text of a key, and has keys look again: another one of it may have looked.
    pub(crate) fn enter(&mut self, s: &str) -> u32 {
        let n = self.add(s);
        self.keys.push(n);
        self.serial += 1;
        n
    }

    // Where the place of a new string is, or belongs.
    fn slot(&self, s: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut h = s.bytes().fold(2_166_136_261u32, |h, b| (h ^ b as u32).wrapping_mul(16_777_619)) as usize;
        loop {
            let place = self.slots[h & mask];
            if place == 0 || &*self.texts[place as usize - 1] == s {
                return h & mask;
            }
            h += 1;
        }
    }

    // The number of a string that need not be looked for among those that came in: an
    // equal one there does no harm, it only is there twice.
    pub(crate) fn add(&mut self, s: &str) -> u32 {
        if self.slots.len() < 2 * (self.texts.len() + 1) {
            let room = (2 * self.slots.len()).max(64);
            self.slots.clear();
            self.slots.resize(room, 0);
            for i in 0..self.texts.len() {
                let at = self.slot(&self.texts[i]);
                self.slots[at] = i as u32 + 1;
            }
        }
        let at = self.slot(s);
        if self.slots[at] == 0 {
            self.texts.push(s.into());
            self.slots[at] = self.texts.len() as u32;
        }
        self.header.strings + self.slots[at] - 1
    }

    // The pairs of a record.
    #[inline]
    pub(crate) fn labels(&mut self, r: *const Row) -> &mut [Pair] {
        let (first, n) = unsafe { ((*r).first, (*r).labels as usize) };
        if first >= self.header.pairs {
            let at = (first - self.header.pairs) as usize;
            return &mut self.room[at..at + n];
        }
        unsafe { slice::from_raw_parts_mut(self.pairs.add(first as usize), n) }
    }

    // Gives a record pairs of its own, behind all others.
    pub(crate) fn displace(&mut self, r: *mut Row) {
        let end = self.header.pairs + self.room.len() as u32;
        let n = unsafe { (*r).labels as usize };
        self.room.reserve(n + 1);
        for i in 0..n {
            let p = self.labels(r)[i];
            self.room.push(p);
        }
        unsafe { (*r).first = end };
    }

    pub(crate) fn append(&mut self, r: *mut Row, p: Pair) {
        let end = self.header.pairs + self.room.len() as u32;
        let (first, n) = unsafe { ((*r).first, (*r).labels as u32) };
        if first < self.header.pairs || first + n != end {
            self.displace(r);
        }
        self.room.push(p);
        unsafe { (*r).labels += 1 };
    }

    // A new record, like one that is there. They are limited, so that they need not move.
    pub(crate) fn emit(&mut self, of: *const Row) -> *mut Row {
        let most = 2 * self.len() + 16;
        if self.added.len() == most {
            self.refuse("more records than a batch may become");
            self.added.pop();
        }
        if self.added.is_empty() {
            self.added.reserve(most);
        }
        self.added.push(Row { flags: 0, ..unsafe { *of } });
        let r: *mut Row = self.added.last_mut().unwrap();
        self.displace(r);
        r
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn rows(&self) -> &[Row] {
        unsafe { slice::from_raw_parts(self.rows, self.len()) }
    }
}
