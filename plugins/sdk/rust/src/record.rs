use crate::abi::{Code, Kind, Pair, Row, DROP, FAILED};
use crate::batch::{Batch, NONE};
use crate::key::{Key, Mapping, Memo};

/// One sample of one series. Which of its changes Sluice takes, the manifest says; any
/// other fails the batch.
pub struct Record<'a> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) row: *mut Row,
    pub(crate) number: i32, // in the batch; -1: emitted
}

impl Record<'_> {
    #[inline]
    fn row(&self) -> &Row {
        unsafe { &*self.row }
    }

    #[inline]
    fn row_mut(&mut self) -> &mut Row {
        unsafe { &mut *self.row }
    }

    /// The batch that the record is of.
    pub fn batch(&mut self) -> &mut Batch {
        self.batch
    }

    /// The name of the series.
    pub fn name(&self) -> &str {
        self.batch.text(self.row().name)
    }

    /// Gives the series another name. For the same change to many records
    /// [`Record::map_name`] is faster.
    pub fn set_name(&mut self, name: &str) {
        self.row_mut().name = self.batch.add(name);
    }

    /// The Flink type of the metric.
    pub fn kind(&self) -> Kind {
        match self.row().kind {
            1 => Kind::Counter,
            2 => Kind::Meter,
            3 => Kind::Histogram,
            4 => Kind::Text,
            _ => Kind::Gauge,
        }
    }

    /// When the value was measured, Unix ms.
    pub fn time(&self) -> i64 {
        self.row().time
    }

    #[inline]
    fn is_text(&self) -> bool {
        self.row().kind == Kind::Text as u8
    }

    /// The value: 0 for a text, and where the plugin is called for series.
    #[inline]
    pub fn value(&self) -> f64 {
        if self.is_text() {
            return 0.0;
        }
        self.row().value
    }

    /// Changes the value. It does nothing to a text.
    #[inline]
    pub fn set_value(&mut self, v: f64) {
        if !self.is_text() {
            self.row_mut().value = v;
        }
    }

    /// The value of a text, "" for other kinds.
    pub fn text(&self) -> &str {
        if !self.is_text() {
            return "";
        }
        self.batch.text(self.row().value.to_bits() as u32)
    }

    /// Changes the value of a text. It does nothing to other kinds.
    pub fn set_text(&mut self, s: &str) {
        if self.is_text() {
            self.row_mut().value = f64::from_bits(self.batch.add(s) as u64);
        }
    }

    /// The number of labels.
    pub fn labels(&self) -> usize {
        self.row().labels as usize
    }

    /// Name and value of label `i`, below [`Record::labels`].
    pub fn label_at(&mut self, i: usize) -> (&str, &str) {
        let p = self.batch.labels(self.row)[i];
        (self.batch.text(p.key), self.batch.text(p.value))
    }

    // The position of a label.
    #[inline]
    fn find(&mut self, k: &Key) -> Option<usize> {
        let n = k.of(self.batch);
        if self.lacks(n) {
            return None;
        }
        k.place(self.batch.labels(self.row), n)
    }

    // Whether the record cannot have a label whose name has the number n. A name that did
    // not come with the batch no record has that comes after the last one that was given a
    // label.
    #[inline]
    fn lacks(&self, n: u32) -> bool {
        n >= self.batch.header.strings && (n == NONE || self.number > self.batch.named)
    }

    #[inline]
    fn named(&mut self) {
        self.batch.named = self.batch.named.max(self.number);
    }

    #[inline(never)]
    fn remove_at(&mut self, i: usize) {
        let pairs = self.batch.labels(self.row);
        pairs.copy_within(i + 1.., i);
        self.row_mut().labels -= 1;
    }

    fn put(&mut self, k: &Key, value: u32) {
        match self.find(k) {
            Some(i) => self.batch.labels(self.row)[i].value = value,
            None => {
                let key = k.make(self.batch);
                self.batch.append(self.row, Pair { key, value });
                self.named();
            }
        }
    }

    /// Whether the record has a label.
    pub fn has(&mut self, k: &Key) -> bool {
        self.find(k).is_some()
    }

    /// The value of a label.
    pub fn label(&mut self, k: &Key) -> Option<&str> {
        let i = self.find(k)?;
        let n = self.batch.labels(self.row)[i].value;
        Some(self.batch.text(n))
    }

    /// Gives a label a value, "" takes it away. For values that depend on another label
    /// alone, [`Record::derive`] is faster.
    pub fn set_label(&mut self, k: &Key, value: &str) {
        if value.is_empty() {
            return self.remove_label(k);
        }
        let n = self.batch.add(value);
        self.put(k, n);
    }

    /// Takes a label away.
    pub fn remove_label(&mut self, k: &Key) {
        if let Some(i) = self.find(k) {
            self.remove_at(i);
        }
    }

    /// Gives a label another name. A label that has that name already is replaced.
    #[inline]
    pub fn rename(&mut self, from: &Key, to: &Key) {
        // Mostly both keys have been looked for in this batch, the label is where the record
        // before had it, and the new name is one that no record from this one on has.
        // Branches are dear in a guest: these are two.
        let (b, row) = (&mut *self.batch, unsafe { &*self.row });
        let (a, z, place) = (from.number(), to.number(), from.last());
        let at = row.first.wrapping_add(place);
        if from.knows(b)
            & to.knows(b)
            & (at < b.header.pairs)
            & (place < row.labels as u32)
            & (z != NONE)
            & (z >= b.header.strings)
            & (self.number > b.named)
        {
            let key = unsafe { &mut (*b.pairs.add(at as usize)).key };
            if *key == a {
                *key = z;
                b.named = self.number;
                return;
            }
        }
        self.rename_any(from, to);
    }

    #[inline(never)]
    fn rename_any(&mut self, from: &Key, to: &Key) {
        let (a, z) = (from.of(self.batch), to.of(self.batch));
        if a == NONE || a == z {
            return;
        }
        let lacking = self.lacks(z);
        let pairs = self.batch.labels(self.row);
        let Some(at) = from.place(pairs, a) else { return };
        let there = if lacking { None } else { to.place(pairs, z) };
        let label: *mut Pair = &mut pairs[at];
        let n = if z != NONE { z } else { to.enter(self.batch) };
        unsafe { (*label).key = n }; // entering a string moves no labels
        self.named();
        if let Some(there) = there {
            self.remove_at(there);
        }
    }

    /// Replaces the value of a label by what `m` makes of it, and takes the label away
    /// where that is nothing.
    pub fn map_label(&mut self, k: &Key, m: &Mapping) {
        if let Some(i) = self.find(k) {
            let value = self.batch.labels(self.row)[i].value;
            match m.of(self.batch, value) {
                NONE => self.remove_at(i),
                n => self.batch.labels(self.row)[i].value = n,
            }
        }
    }

    /// Sets the label `to` from what `m` makes of the value of another one, "" when there
    /// is none of that name. Where `m` makes nothing, nothing is changed.
    pub fn derive(&mut self, to: &Key, from: &Key, m: &Mapping) {
        let n = match self.find(from) {
            Some(i) => {
                let value = self.batch.labels(self.row)[i].value;
                m.of(self.batch, value)
            }
            None => m.of_nothing(self.batch),
        };
        if n != NONE {
            self.put(to, n);
        }
    }

    /// Replaces the name of the series by what `m` makes of it; where that is nothing it
    /// stays.
    pub fn map_name(&mut self, m: &Mapping) {
        let name = self.row().name;
        match m.of(self.batch, name) {
            NONE => (),
            n => self.row_mut().name = n,
        }
    }

    /// What a memo makes of the name.
    pub fn of_name<T: Clone>(&self, m: &Memo<T>) -> T {
        m.of(self.batch, self.row().name)
    }

    /// What a memo makes of the value of a label.
    pub fn of_label<T: Clone>(&mut self, m: &Memo<T>, k: &Key) -> Option<T> {
        let i = self.find(k)?;
        let n = self.batch.labels(self.row)[i].value;
        Some(m.of(self.batch, n))
    }

    /// Takes the record out: it goes no further.
    pub fn drop(&mut self) {
        self.row_mut().flags |= DROP;
    }

    /// Gives the record up: the policy says what becomes of it, as it came in. Of a record
    /// that was emitted nothing is left.
    pub fn fail(&mut self, reason: &str) {
        if self.number < 0 {
            return self.drop();
        }
        self.row_mut().flags |= FAILED;
        self.batch.refused.get_or_insert(Code::RecordFailed);
        self.batch.host.fail(Code::RecordFailed, self.number, reason);
    }

    /// Adds a record that is like this one, and returns it to be changed.
    pub fn emit(&mut self) -> Record<'_> {
        let row = self.batch.emit(self.row);
        Record { batch: self.batch, row, number: -1 }
    }
}
