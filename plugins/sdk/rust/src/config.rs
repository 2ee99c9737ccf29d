use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

// A JSON value.
#[derive(PartialEq, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// The config of a use of the plugin, or an object in it. Sluice has checked it against
/// the schema of the manifest before. A field that is missing or of another kind is an
/// error that says so, made to be the error of [`crate::Plugin::new`].
pub struct Config<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Config<'a> {
    #[doc(hidden)]
    pub fn parse(json: &str) -> Result<Value, String> {
        let mut p = Parser { json, at: 0 };
        let value = p.value(0);
        p.space();
        match value {
            Some(v @ Value::Object(_)) if p.at == json.len() => Ok(v),
            _ => Err("config: must be a JSON object".to_owned()),
        }
    }

    #[doc(hidden)]
    pub fn of(value: &'a Value) -> Config<'a> {
        Config { value, path: String::new() }
    }

    /// An error about this object.
    pub fn refuse<T>(&self, reason: &str) -> Result<T, String> {
        Err(join(&["config: ", &self.path, if self.path.is_empty() { "" } else { ": " }, reason]))
    }

    fn fields(&self) -> &'a [(String, Value)] {
        match self.value {
            Value::Object(fields) => fields,
            _ => &[],
        }
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields().iter().rev().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    fn at(&self, name: &str, value: &'a Value) -> Config<'a> {
        let dot = if self.path.is_empty() { "" } else { "." };
        Config { value, path: join(&[&self.path, dot, name]) }
    }

    fn get(&self, name: &str) -> Result<Config<'a>, String> {
        match self.field(name) {
            Some(v) => Ok(self.at(name, v)),
            None => self.at(name, &Value::Null).refuse("is missing"),
        }
    }

    fn text(&self) -> Result<&'a str, String> {
        match self.value {
            Value::Text(s) => Ok(s),
            _ => self.refuse("must be a string"),
        }
    }

    /// Whether a field is there and not null.
    pub fn has(&self, name: &str) -> bool {
        !matches!(self.field(name), None | Some(Value::Null))
    }

    /// The names of the fields, as written.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.fields().iter().map(|(n, _)| n.as_str())
    }

    /// A field that is a string.
    pub fn string(&self, name: &str) -> Result<&'a str, String> {
        self.get(name)?.text()
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Result<f64, String> {
        let c = self.get(name)?;
        match c.value {
            Value::Number(n) => Ok(*n),
            _ => c.refuse("must be a number"),
        }
    }

    /// A field that is a boolean.
    pub fn bool(&self, name: &str) -> Result<bool, String> {
        let c = self.get(name)?;
        match c.value {
            Value::Bool(b) => Ok(*b),
            _ => c.refuse("must be a boolean"),
        }
    }

    fn list(&self, name: &str) -> Result<Vec<Config<'a>>, String> {
        let c = self.get(name)?;
        match c.value {
            Value::List(items) => {
                Ok(items.iter().enumerate().map(|(i, v)| self.at(&join(&[name, "[", &i.to_string(), "]"]), v)).collect())
            }
            _ => c.refuse("must be a list"),
        }
    }

    /// A field that is a list of strings.
    pub fn strings(&self, name: &str) -> Result<Vec<&'a str>, String> {
        self.list(name)?.iter().map(|c| c.text()).collect()
    }

    /// A field that is an object of strings, as written.
    pub fn table(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, String> {
        let c = self.object(name)?;
        c.fields().iter().map(|(n, v)| Ok((n.as_str(), c.at(n, v).text()?))).collect()
    }

    /// A field that is an object.
    pub fn object(&self, name: &str) -> Result<Config<'a>, String> {
        let c = self.get(name)?;
        match c.value {
            Value::Object(_) => Ok(c),
            _ => c.refuse("must be an object"),
        }
    }

    /// A field that is a list of objects.
    pub fn objects(&self, name: &str) -> Result<Vec<Config<'a>>, String> {
        let list = self.list(name)?;
        match list.iter().find(|c| !matches!(c.value, Value::Object(_))) {
            Some(c) => c.refuse("must be an object"),
            None => Ok(list),
        }
    }
}

fn join(parts: &[&str]) -> String {
    let mut out = String::new();
    parts.iter().for_each(|p| out.push_str(p));
    out
}

struct Parser<'a> {
    json: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        *self.json.as_bytes().get(self.at).unwrap_or(&0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    fn take(&mut self, c: u8) -> bool {
        self.space();
        let there = self.peek() == c;
        self.at += there as usize;
        there
    }

    fn word(&mut self, w: &str) -> bool {
        let there = self.json.as_bytes().get(self.at..).map_or(false, |rest| rest.starts_with(w.as_bytes()));
        if there {
            self.at += w.len();
        }
        there
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > 100 {
            return None;
        }
        self.space();
        match self.peek() {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(Value::Text),
            b't' => self.word("true").then_some(Value::Bool(true)),
            b'f' => self.word("false").then_some(Value::Bool(false)),
            b'n' => self.word("null").then_some(Value::Null),
            _ => self.number().map(Value::Number),
        }
    }

    // What is in an object or a list, behind its opening.
    fn items(&mut self, close: u8, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        if self.take(close) {
            return Some(());
        }
        loop {
            one(self)?;
            if self.take(close) {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Vec::new();
        self.items(b'}', |p| {
            p.space();
            let name = p.string()?;
            if !p.take(b':') {
                return None;
            }
            fields.push((name, p.value(depth + 1)?));
            Some(())
        })?;
        Some(Value::Object(fields))
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.items(b']', |p| {
            items.push(p.value(depth + 1)?);
            Some(())
        })?;
        Some(Value::List(items))
    }

    // Up to 15 digits and powers of ten up to 22 are exact, others to a few units of the
    // last place: the exact way is most of a module.
    fn number(&mut self) -> Option<f64> {
        let negative = self.word("-");
        let (mut digits, mut power, mut exponent) = (0u64, 0i32, 0i32);
        let mut take = |p: &mut Self, step: i32| {
            let from = p.at;
            while p.peek().is_ascii_digit() {
                if digits > (u64::MAX - 9) / 10 {
                    power += 1 + step;
                } else {
                    digits = digits * 10 + (p.peek() - b'0') as u64;
                    power += step;
                }
                p.at += 1;
            }
            p.at > from
        };
        if !self.word("0") && !take(self, 0) || self.word(".") && !take(self, -1) {
            return None;
        }
        if self.word("e") || self.word("E") {
            let down = self.word("-");
            if !down {
                self.word("+");
            }
            if !self.peek().is_ascii_digit() {
                return None;
            }
            while self.peek().is_ascii_digit() {
                exponent = (exponent * 10 + (self.peek() - b'0') as i32).min(100_000);
                self.at += 1;
            }
            power += if down { -exponent } else { exponent };
        }
        let x = scaled(digits as f64, power);
        x.is_finite().then_some(if negative { -x } else { x })
    }

    fn string(&mut self) -> Option<String> {
        if self.peek() != b'"' {
            return None;
        }
        self.at += 1;
        let (mut out, mut from) = (String::new(), self.at);
        loop {
            match self.peek() {
                b'"' => {
                    out.push_str(self.json.get(from..self.at)?);
                    self.at += 1;
                    return Some(out);
                }
                b'\\' => {
                    out.push_str(self.json.get(from..self.at)?);
                    self.at += 1;
                    out.push(self.escape()?);
                    from = self.at;
                }
                0..=31 => return None,
                _ => self.at += 1,
            }
        }
    }

    // Behind a backslash. Half a surrogate pair is U+FFFD.
    fn escape(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        Some(match c {
            b'"' | b'\\' | b'/' => c as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if first >> 10 == 0x36 && self.word("\\u") {
                    let second = self.hex()?;
                    if second >> 10 == 0x37 {
                        return char::from_u32(0x10000 + ((first & 0x3ff) << 10 | second & 0x3ff));
                    }
                    self.at -= 6;
                }
                char::from_u32(first).unwrap_or('\u{fffd}')
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let mut n = 0;
        for _ in 0..4 {
            n = n << 4 | (self.peek() as char).to_digit(16)?;
            self.at += 1;
        }
        Some(n)
    }
}

fn scaled(mut x: f64, mut power: i32) -> f64 {
    while power != 0 && x != 0.0 && x.is_finite() {
        let step = power.abs().min(22);
        let ten = (0..step).fold(1.0, |ten, _| ten * 10.0);
        x = if power < 0 { x / ten } else { x * ten };
        power -= step * power.signum();
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        let v = Config::parse(
            r#" {"s":"a\"\\\u00e9\ud83d\ude00\ud83dx","n":-1.5e-3,"b":true,"l":["x","y"],"t":{"k":"v"},"nil":null,
            "o":{"p":{"q":"deep"}},"units":[{"factor":0},{"factor":1024}]} "#,
        )
        .unwrap();
        let c = Config::of(&v);
        assert_eq!(c.string("s").unwrap(), "a\"\\é😀\u{fffd}x");
        assert_eq!(c.number("n").unwrap(), -0.0015);
        assert!(c.bool("b").unwrap() && c.has("s") && !c.has("nil") && !c.has("x"));
        assert_eq!(c.strings("l").unwrap(), ["x", "y"]);
        assert_eq!(c.table("t").unwrap(), [("k", "v")]);
        assert_eq!(c.object("o").unwrap().object("p").unwrap().string("q").unwrap(), "deep");
        assert_eq!(c.objects("units").unwrap()[1].number("factor").unwrap(), 1024.0);
        assert_eq!(c.object("o").unwrap().names().collect::<Vec<_>>(), ["p"]);
    }

    #[test]
    fn says_what_is_wrong() {
        let v = Config::parse(r#"{"s":1,"l":["",true],"o":{"t":{"x":[]}},"u":[null]}"#).unwrap();
        let c = Config::of(&v);
        for (got, want) in [
            (c.string("s").err(), "config: s: must be a string"),
            (c.string("x").err(), "config: x: is missing"),
            (c.strings("l").err(), "config: l[1]: must be a string"),
            (c.object("o").unwrap().table("t").err(), "config: o.t.x: must be a string"),
            (c.objects("u").err(), "config: u[0]: must be an object"),
            (c.bool("s").err(), "config: s: must be a boolean"),
            (c.number("l").err(), "config: l: must be a number"),
            (c.object("s").err(), "config: s: must be an object"),
            (c.strings("s").err(), "config: s: must be a list"),
            (c.refuse::<()>("no").err(), "config: no"),
        ] {
            assert_eq!(got.unwrap(), want);
        }
    }

    #[test]
    fn refuses_what_is_not_json() {
        for bad in [
            "", "[]", "{", r#"{"a":1"#, r#"{"a":01}"#, r#"{"a":1.}"#, r#"{"a":-}"#, r#"{"a":1,}"#, r#"{"a" 1}"#, r#"{"a":1}}"#,
            r#"{"a":"\u12g4"}"#, r#"{"a":"\x"}"#, "{\"a\":\"\n\"}", r#"{"a":tru}"#, r#"{"a":[1 2]}"#, r#"{"a":"\"#, "{1:2}", r#"{"a":1e400}"#,
            r#"{"a":1e}"#,
        ] {
            assert_eq!(Config::parse(bad), Err("config: must be a JSON object".to_owned()), "{bad}");
        }
        assert!(Config::parse(&(r#"{"a":"#.to_owned() + &"[".repeat(200) + &"]".repeat(200) + "}")).is_err());
    }

    // Bytes of configs are changed at random, the same in every run: whatever comes of it is
    // read or refused, without a panic, in Unicode.
    #[test]
    fn takes_anything() {
        let seeds = [
            r#"{"s":"a\"\\\u00e9\ud83d\ude00\ud83dx","n":-1.5e-3,"b":true,"l":["x","y"],"t":{"k":"é"},"nil":null}"#,
            r#" {"o":{"p":{"q":[[],{}]}},"n":18446744073709551616e-19,"f":0.0001,"u":[{"factor":1024}]} "#,
        ];
        let some: Vec<char> = "{}[]\",:\\u0d8e+-.9 \0ntfé\n".chars().collect();
        let mut random = 1u32;
        let mut next = |n: usize| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as usize % n
        };
        let (mut taken, mut refused) = (0, 0);
        for round in 0..20_000 {
            let mut json: Vec<char> = seeds[round % 2].chars().collect();
            for _ in 0..=round % 5 {
                let at = next(json.len());
                json[at] = some[next(some.len())];
                if next(50) == 0 {
                    json.truncate(1 + at);
                }
            }
            match Config::parse(&json.into_iter().collect::<String>()) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(taken > 500 && refused > 500, "{taken} are taken, {refused} refused");
    }

    #[test]
    fn numbers_are_exact_where_they_are_written_by_people() {
        for n in ["0", "0.001", "-1.5e-3", "1e22", "123456789012345", "3.25E2", "1024", "1e-400", "0.1e1", "2.5e+2"] {
            let v = Config::parse(&["{\"n\":", n, "}"].concat()).unwrap();
            assert_eq!(Config::of(&v).number("n").unwrap(), n.parse::<f64>().unwrap(), "{n}");
        }
    }
}
