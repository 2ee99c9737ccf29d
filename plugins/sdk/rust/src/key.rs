use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::abi::Pair;
use crate::batch::{Batch, NONE};

/// A string that many records are looked at with, mostly the name of a label. Its number
/// is found once per batch, and then a record compares numbers, first where the label was
/// in the record before. Make keys once, not per record.
pub struct Key {
    text: Box<str>,
    place: Cell<usize>,
    serial: Cell<u32>,
    number: Cell<u32>,
}

impl Key {
    pub fn new(text: &str) -> Key {
        Key { text: text.into(), place: Cell::new(0), serial: Cell::new(0), number: Cell::new(NONE) }
    }

    /// The text of the key.
    pub fn text(&self) -> &str {
        &self.text
    }

    // Whether it has been looked for in a batch; then its number there is known.
    #[inline]
    pub(crate) fn knows(&self, b: &Batch) -> bool {
        self.serial.get() == b.serial
    }

    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    // Where the label was in the record that was looked at before.
    #[inline]
    pub(crate) fn last(&self) -> u32 {
        self.place.get() as u32
    }

    // Its number in a batch, NONE when the batch does not have it.
    #[inline]
    pub(crate) fn of(&self, b: &Batch) -> u32 {
        if !self.knows(b) {
            self.look(b);
        }
        self.number.get()
    }

    #[cold]
    fn look(&self, b: &Batch) {
        self.number.set(b.find(&self.text, self.number.get()));
        self.serial.set(b.serial);
    }

    // Its number in a batch, which has it from then on.
    #[inline]
    pub(crate) fn make(&self, b: &mut Batch) -> u32 {
        match self.of(b) {
            NONE => self.enter(b),
            n => n,
        }
    }

    #[cold]
    pub(crate) fn enter(&self, b: &mut Batch) -> u32 {
        self.number.set(b.enter(&self.text));
        self.serial.set(b.serial);
        self.number.get()
    }

    // Where the label is in a record's pairs; n is the number of the key.
    #[inline]
    pub(crate) fn place(&self, pairs: &[Pair], n: u32) -> Option<usize> {
        match pairs.get(self.place.get()) {
            Some(p) if p.key == n => Some(self.place.get()),
            _ => self.scan(pairs, n),
        }
    }

    #[inline(never)]
    fn scan(&self, pairs: &[Pair], n: u32) -> Option<usize> {
        let i = pairs.iter().position(|p| p.key == n)?;
        self.place.set(i);
        Some(i)
    }
}

/// Works something out for strings, for each distinct one of a batch once. The function
/// must be pure.
pub struct Memo<T> {
    f: Box<dyn Fn(&str) -> T>,
    known: RefCell<Known<T>>,
}

struct Known<T> {
    opened: u32,
    values: Vec<Option<T>>,
}

impl<T: Clone> Memo<T> {
    pub fn new(f: impl Fn(&str) -> T + 'static) -> Memo<T> {
        Memo { f: Box::new(f), known: RefCell::new(Known { opened: 0, values: Vec::new() }) }
    }

    pub(crate) fn of(&self, b: &Batch, n: u32) -> T {
        let mut known = self.known.borrow_mut();
        known.value(b, n).get_or_insert_with(|| (self.f)(b.text(n))).clone()
    }
}

impl<T: Clone> Known<T> {
    fn value(&mut self, b: &Batch, n: u32) -> &mut Option<T> {
        if self.opened != b.opened {
            self.opened = b.opened;
            self.values.clear();
        }
        let n = n as usize;
        if n >= self.values.len() {
            self.values.resize((n + 1).max(b.header.strings as usize), None);
        }
        &mut self.values[n]
    }
}

/// Makes strings of strings, each distinct one of a batch once. The function must be
/// pure; what `None` means the methods of [`crate::Record`] say.
pub struct Mapping {
    f: Box<dyn Fn(&str) -> Option<String>>,
    known: RefCell<Known<u32>>,
}

impl Mapping {
    pub fn new(f: impl Fn(&str) -> Option<String> + 'static) -> Mapping {
        Mapping { f: Box::new(f), known: RefCell::new(Known { opened: 0, values: Vec::new() }) }
    }

    // The number of what it makes of a string, NONE for nothing.
    pub(crate) fn of(&self, b: &mut Batch, n: u32) -> u32 {
        let mut known = self.known.borrow_mut();
        let made = known.value(b, n);
        if let Some(n) = *made {
            return n;
        }
        let to = match (self.f)(b.text(n)) {
            None => NONE,
            Some(s) if s.is_empty() => NONE,
            Some(s) if s == b.text(n) => n,
            Some(s) => b.add(&s),
        };
        *made = Some(to);
        to
    }

    // The number of what it makes of a label that is not there.
    pub(crate) fn of_nothing(&self, b: &mut Batch) -> u32 {
        match (self.f)("") {
            Some(s) if !s.is_empty() => b.add(&s),
            _ => NONE,
        }
    }
}
