// The config of a plugin, for sluice.h: JSON, looked through where it lies.
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

static struct {
	sl_text fault; // the first one
} sl_c;

// sl_refuse_config says that the config is not one the plugin can work with. The first
// reason counts.
static inline void sl_refuse_config(sl_text name, sl_text why) {
	if (!sl_c.fault.length) sl_c.fault = sl_join(sl_join(sl_join(SL("config: "), name), SL(": ")), why);
}

static inline bool sl_skip_value(const char **at, const char *end, int depth);

static inline void sl_skip_space(const char **at, const char *end) {
	while (*at < end && (**at == ' ' || **at == '\t' || **at == '\n' || **at == '\r')) (*at)++;
}

static inline bool sl_take_char(const char **at, const char *end, char c) {
	sl_skip_space(at, end);
	if (*at == end || **at != c) return false;
	(*at)++;
	return true;
}

static inline int sl_hex(char c) {
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static inline bool sl_skip_string(const char **at, const char *end) { // behind its opening quote
	for (const char *p = *at; p < end; p++) {
		if (*p == '"') {
			*at = p + 1;
			return true;
		}
		if ((unsigned char)*p < ' ') return false;
		if (*p != '\\') continue;
		if (++p == end) return false;
		if (*p == 'u') {
			for (int i = 1; i <= 4; i++)
				if (end - p <= i || sl_hex(p[i]) < 0) return false;
			p += 4;
		} else {
			const char *known = "\"\\/bfnrt";
			while (*known && *known != *p) known++;
			if (!*known) return false;
		}
	}
	return false;
}

static inline bool sl_skip_digits(const char **at, const char *end) {
	const char *from = *at;
	while (*at < end && **at >= '0' && **at <= '9') (*at)++;
	return *at > from;
}

static inline double sl_scaled(double x, int32_t power) {
	for (int32_t step; power && x > 0 && x < __builtin_inf(); power += power < 0 ? step : -step) {
		double ten = 1;
		for (step = 0; step < 22 && step < (power < 0 ? -power : power); step++) ten *= 10;
		x = power < 0 ? x / ten : x * ten;
	}
	return x;
}

// sl_read_number reads a number that there is, and is not out of range. Up to 15 digits and
// powers of ten up to 22 are exact, others to a few units of the last place.
static inline bool sl_read_number(const char **at, const char *end, double *x) {
	const char *p = *at;
	bool negative = p < end && *p == '-', fraction = false;
	uint64_t digits = 0;
	int32_t power = 0, exponent = 0;
	p += negative;
	*at = p;
	if (p < end && *p == '0') (*at)++;
	else if (!sl_skip_digits(at, end)) return false;
	if (*at < end && **at == '.') {
		(*at)++;
		if (!sl_skip_digits(at, end)) return false;
	}
	for (; p < *at; p++) {
		if (*p == '.') fraction = true;
		else if (digits > (UINT64_MAX - 9) / 10) power += !fraction;
		else {
			digits = digits * 10 + (uint64_t)(*p - '0');
			power -= fraction;
		}
	}
	if (p < end && (*p | 32) == 'e') {
		bool down = ++p < end && *p == '-';
		*at = p += p < end && (*p == '-' || *p == '+');
		if (!sl_skip_digits(at, end)) return false;
		for (; p < *at; p++)
			if (exponent < 100000) exponent = exponent * 10 + (*p - '0');
		power += down ? -exponent : exponent;
	}
	*x = sl_scaled((double)digits, power);
	if (negative) *x = -*x;
	return *x >= -1.7976931348623157e308 && *x <= 1.7976931348623157e308;
}

static inline bool sl_skip_items(const char **at, const char *end, char close, int depth) {
	if (sl_take_char(at, end, close)) return true;
	do {
		if (close == '}' && !(sl_take_char(at, end, '"') && sl_skip_string(at, end) && sl_take_char(at, end, ':'))) return false;
		if (!sl_skip_value(at, end, depth + 1)) return false;
	} while (sl_take_char(at, end, ','));
	return sl_take_char(at, end, close);
}

static inline bool sl_skip_value(const char **at, const char *end, int depth) {
	static const sl_text words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
	sl_skip_space(at, end);
	if (*at == end || depth > 100) return false;
	switch (*(*at)++) {
	case '{': return sl_skip_items(at, end, '}', depth);
	case '[': return sl_skip_items(at, end, ']', depth);
	case '"': return sl_skip_string(at, end);
	}
	(*at)--;
	for (int i = 0; i < 3; i++)
		if ((uint32_t)(end - *at) >= words[i].length && sl_equal((sl_text){*at, words[i].length}, words[i])) {
			*at += words[i].length;
			return true;
		}
	double number;
	return sl_read_number(at, end, &number);
}

static inline bool sl_open_config(sl_config *c, const char *at, uint32_t length) {
	char *own = sl_take(length + 1); // the block is used again for batches
	sl_copy(own, at, length);
	*c = (sl_config){own, own + length};
	const char *p = own;
	sl_skip_space(&p, c->end);
	c->at = p;
	bool object = p < c->end && *p == '{';
	if (object && sl_skip_value(&p, c->end, 0)) {
		sl_skip_space(&p, c->end);
		if (p == c->end) return true;
	}
	sl_c.fault = SL("config: must be a JSON object");
	return false;
}

// sl_config_answer ends the setup: the texts that it made are to stay, so batches take
// other chunks.
static inline int32_t sl_config_answer(void) {
	sl_b.chunks = sl_b.chunk = 0;
	if (!sl_c.fault.length) return SL_OK;
	sl_host_fail(SL_BAD_CONFIG, -1, sl_c.fault.at, sl_c.fault.length);
	return SL_BAD_CONFIG;
}

static inline char *sl_put_rune(char *to, uint32_t r) {
	if (r < 0x80) *to++ = (char)r;
	else {
		if (r < 0x800) *to++ = (char)(0xc0 | r >> 6);
		else {
			if (r < 0x10000) *to++ = (char)(0xe0 | r >> 12);
			else {
				*to++ = (char)(0xf0 | r >> 18);
				*to++ = (char)(0x80 | (r >> 12 & 63));
			}
			*to++ = (char)(0x80 | (r >> 6 & 63));
		}
		*to++ = (char)(0x80 | (r & 63));
	}
	return to;
}

static inline uint32_t sl_hex4(const char *p) {
	return (uint32_t)(sl_hex(p[0]) << 12 | sl_hex(p[1]) << 8 | sl_hex(p[2]) << 4 | sl_hex(p[3]));
}

// sl_decoded reads a string that was skipped before. Half a surrogate pair is U+FFFD.
static inline sl_text sl_decoded(const char *at, const char *end) {
	char *own = sl_new((uint32_t)(end - at)), *to = own;
	for (const char *p = at + 1; *p != '"'; p++) {
		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		switch (*++p) {
		case 'b': *to++ = '\b'; break;
		case 'f': *to++ = '\f'; break;
		case 'n': *to++ = '\n'; break;
		case 'r': *to++ = '\r'; break;
		case 't': *to++ = '\t'; break;
		case 'u': {
			uint32_t r = sl_hex4(p + 1);
			p += 4;
			if (r >> 11 == 0x1b) {
				uint32_t low = r < 0xdc00 && p[1] == '\\' && p[2] == 'u' ? sl_hex4(p + 3) : 0;
				if (low >> 10 == 0x37) {
					r = 0x10000 + ((r & 0x3ff) << 10 | (low & 0x3ff));
					p += 6;
				} else r = 0xfffd;
			}
			to = sl_put_rune(to, r);
			break;
		}
		default: *to++ = *p;
		}
	}
	return (sl_text){own, (uint32_t)(to - own)};
}

// sl_entry is a field of an object, or an item of a list, which has no name.
typedef struct { sl_text name; sl_config value; } sl_entry;

// sl_next reads the next entry of an object or a list: begin with *at = c.at.
static inline bool sl_next(sl_config c, const char **at, sl_entry *e) {
	char open = c.at < c.end ? *c.at : 0;
	if (open != '{' && open != '[') return false;
	if (*at == c.at) (*at)++;
	else if (!sl_take_char(at, c.end, ',')) return false;
	sl_skip_space(at, c.end);
	if (*at == c.end || **at == '}' || **at == ']') return false;
	e->name = (sl_text){"", 0};
	if (open == '{') {
		const char *from = (*at)++;
		sl_skip_string(at, c.end);
		e->name = sl_decoded(from, *at);
		sl_take_char(at, c.end, ':');
		sl_skip_space(at, c.end);
	}
	e->value.at = *at;
	sl_skip_value(at, c.end, 0);
	e->value.end = *at;
	return true;
}

// sl_field returns a field of an object: the last of that name.
static inline bool sl_field(sl_config c, sl_text name, sl_config *value) {
	bool found = false;
	const char *at = c.at;
	for (sl_entry e; sl_next(c, &at, &e);)
		if (sl_equal(e.name, name)) {
			*value = e.value;
			found = *e.value.at != 'n';
		}
	return found;
}

static inline bool sl_has_field(sl_config c, sl_text name) {
	sl_config v;
	return sl_field(c, name, &v);
}

static inline sl_config sl_get(sl_config c, sl_text name, const char *first, sl_text must) {
	sl_config v = {"", ""};
	if (!sl_field(c, name, &v)) sl_refuse_config(name, SL("is missing"));
	else {
		while (*first && *first != *v.at) first++;
		if (*first) return v;
		sl_refuse_config(name, must);
	}
	return (sl_config){"", ""};
}

// sl_string returns a field that is a string.
static inline sl_text sl_string(sl_config c, sl_text name) {
	sl_config v = sl_get(c, name, "\"", SL("must be a string"));
	return v.at == v.end ? (sl_text){"", 0} : sl_decoded(v.at, v.end);
}

// sl_bool returns a field that is a boolean.
static inline bool sl_bool(sl_config c, sl_text name) { return *sl_get(c, name, "tf", SL("must be a boolean")).at == 't'; }

// sl_object returns a field that is an object, sl_list one that is a list: see sl_next.
static inline sl_config sl_object(sl_config c, sl_text name) { return sl_get(c, name, "{", SL("must be an object")); }
static inline sl_config sl_list(sl_config c, sl_text name) { return sl_get(c, name, "[", SL("must be a list")); }

// sl_number returns a field that is a number.
static inline double sl_number(sl_config c, sl_text name) {
	sl_config v = sl_get(c, name, "-0123456789", SL("must be a number"));
	double x = 0;
	if (v.at != v.end) sl_read_number(&v.at, v.end, &x);
	return x;
}

#endif
