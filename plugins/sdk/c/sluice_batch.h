// The batch of a call, for sluice.h.
#ifndef SLUICE_BATCH_H
#define SLUICE_BATCH_H

// What few records take stays out of the way of the others.
#define SL_RARE static __attribute__((noinline, unused))

#define SL_NONE UINT32_MAX // the number of a string that a batch does not have

// Memory is only ever taken: what grows doubles, and is used again.
#ifdef __wasm__
extern unsigned char __heap_base;
static inline void *sl_take(uint32_t size) {
	static uint32_t top;
	if (!top) top = ((uint32_t)&__heap_base + 7) & ~7u;
	uint64_t end = (uint64_t)top + ((size + 7u) & ~7u), have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
	if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (unsigned long)-1) __builtin_trap();
	void *p = (void *)top;
	top = (uint32_t)end;
	return p;
}
#else
#include <stdlib.h>
static inline void *sl_take(uint32_t size) { return calloc(1, size); }
#endif

typedef struct sl_chunk { struct sl_chunk *next; uint32_t size, used; char bytes[]; } sl_chunk;

static struct {
	sl_header *header;
	sl_row *rows;
	sl_pair *pairs;
	sl_ref *refs;
	sl_text *texts;   // new strings, numbered from header->strings on
	uint32_t *slots;  // their numbers + 1 by hash
	uint32_t *keys;   // numbers of those that keys have added
	sl_row *added;    // not moved while the batch lasts
	sl_pair *room;    // new pairs, at positions from header->pairs on
	uint32_t texts_n, texts_room, slots_room, keys_n, keys_room, added_n, added_room, room_n, room_room;
	uint32_t opened, serial; // the second changes when a key is added, too
	int32_t named;           // the last record that was given a label; -1: none
	sl_code refused;
	sl_chunk *chunks, *chunk; // texts that the plugin makes
	void *block;
	uint32_t block_size;
	int64_t counts[32];
} sl_b;

static inline void sl_copy(void *to, const void *from, uint32_t n) {
	if (n) __builtin_memcpy(to, from, n);
}

static inline bool sl_equal(sl_text a, sl_text b) {
	if (a.length != b.length) return false;
	for (uint32_t i = 0; i < a.length; i++)
		if (a.at[i] != b.at[i]) return false;
	return true;
}

// sl_new returns memory for a text of the batch.
static inline char *sl_new(uint32_t length) {
	for (;;) {
		sl_chunk *c = sl_b.chunk;
		if (c && c->size - c->used >= length) {
			c->used += length;
			return c->bytes + c->used - length;
		}
		if (c && c->next) {
			sl_b.chunk = c->next;
			sl_b.chunk->used = 0;
			continue;
		}
		uint32_t size = length > 65000 ? length : 65000;
		sl_chunk *more = sl_take((uint32_t)sizeof(sl_chunk) + size);
		*more = (sl_chunk){0, size, 0};
		if (c) c->next = more;
		else sl_b.chunks = more;
		sl_b.chunk = more;
	}
}

// sl_join returns the texts one behind the other.
static inline sl_text sl_join(sl_text a, sl_text b) {
	char *at = sl_new(a.length + b.length);
	sl_copy(at, a.at, a.length);
	sl_copy(at + a.length, b.at, b.length);
	return (sl_text){at, a.length + b.length};
}

// sl_more makes room for n things of a size, and keeps those that are there.
static inline void *sl_more(void *had, uint32_t used, uint32_t *room, uint32_t n, uint32_t size) {
	if (n <= *room) return had;
	uint32_t most = n + n / 2 + 16;
	void *p = sl_take(most * size);
	sl_copy(p, had, used * size);
	*room = most;
	return p;
}

static inline void *sl_block(uint32_t size) {
	return sl_b.block = sl_more(sl_b.block, 0, &sl_b.block_size, size ? size : 1, 1); // 0 means that there is no room
}

static inline bool sl_open(void *at, uint32_t length) {
	sl_header *h = at;
	if (length < sizeof *h || h->magic != SL_MAGIC_BATCH || h->major != SL_MAJOR || h->record_size != sizeof(sl_row) || h->length > length) return false;
	sl_b.header = h;
	sl_b.rows = (void *)((char *)at + h->records_at);
	sl_b.pairs = (void *)((char *)at + h->pairs_at);
	sl_b.refs = (void *)((char *)at + h->refs_at);
	if (sl_b.texts_n) __builtin_memset(sl_b.slots, 0, sl_b.slots_room * 4);
	sl_b.texts_n = sl_b.keys_n = sl_b.added_n = sl_b.room_n = 0;
	sl_b.refused = SL_OK;
	sl_b.named = -1;
	sl_b.chunk = sl_b.chunks;
	if (sl_b.chunk) sl_b.chunk->used = 0;
	sl_b.opened++;
	sl_b.serial++;
	return true;
}

static inline sl_text sl_string_of(uint32_t n) {
	if (n >= sl_b.header->strings) return sl_b.texts[n - sl_b.header->strings];
	sl_ref r = sl_b.refs[n];
	return (sl_text){(char *)sl_b.header + r.at, r.length};
}

// sl_slot returns where the number of a new string is, or belongs.
static inline uint32_t *sl_slot(sl_text t) {
	uint32_t h = 2166136261u;
	for (uint32_t i = 0; i < t.length; i++) h = (h ^ (uint8_t)t.at[i]) * 16777619u;
	for (;; h++) {
		uint32_t *s = sl_b.slots + (h & (sl_b.slots_room - 1));
		if (!*s || sl_equal(sl_b.texts[*s - 1], t)) return s;
	}
}

// sl_add returns the number of a string that need not be looked for among those that came
// in: an equal one there does no harm, it only is there twice.
static inline uint32_t sl_add(sl_text t) {
	if (sl_b.slots_room < 2 * (sl_b.texts_n + 1)) {
		sl_b.slots_room = sl_b.slots_room ? 2 * sl_b.slots_room : 64;
		sl_b.slots = sl_take(sl_b.slots_room * 4);
		__builtin_memset(sl_b.slots, 0, sl_b.slots_room * 4);
		for (uint32_t i = 0; i < sl_b.texts_n; i++) *sl_slot(sl_b.texts[i]) = i + 1;
	}
	uint32_t *s = sl_slot(t);
	if (!*s) {
		sl_b.texts = sl_more(sl_b.texts, sl_b.texts_n, &sl_b.texts_room, sl_b.texts_n + 1, sizeof(sl_text));
		sl_b.texts[sl_b.texts_n++] = t;
		*s = sl_b.texts_n;
	}
	return sl_b.header->strings + *s - 1;
}

static inline sl_key sl_key_of(sl_text text) { return (sl_key){text, 0, SL_NONE, 0}; }

// sl_look finds the number of a key in a batch that it was not looked for in.
SL_RARE uint32_t sl_look(sl_key *k) {
	k->serial = sl_b.serial;
	uint32_t n = sl_b.header->strings;
	if (k->number < n && sl_equal(sl_string_of(k->number), k->text)) return k->number;
	for (uint32_t i = 0; i < n; i++)
		if (sl_b.refs[i].length == k->text.length && sl_equal(sl_string_of(i), k->text)) return k->number = i;
	for (uint32_t i = 0; i < sl_b.keys_n; i++)
		if (sl_equal(sl_string_of(sl_b.keys[i]), k->text)) return k->number = sl_b.keys[i];
	return k->number = SL_NONE;
}

// sl_number_of returns the number of a key, SL_NONE when the batch does not have it.
static inline uint32_t sl_number_of(sl_key *k) { return k->serial == sl_b.serial ? k->number : sl_look(k); }

SL_RARE uint32_t sl_enter(sl_key *k) {
	k->number = sl_add(k->text);
	sl_b.keys = sl_more(sl_b.keys, sl_b.keys_n, &sl_b.keys_room, sl_b.keys_n + 1, sizeof(uint32_t));
	sl_b.keys[sl_b.keys_n++] = k->number;
	k->serial = ++sl_b.serial; // another key of this text may have looked already
	return k->number;
}

// sl_make_number returns the number of a key, which the batch has from then on.
static inline uint32_t sl_make_number(sl_key *k) {
	uint32_t n = sl_number_of(k);
	return n != SL_NONE ? n : sl_enter(k);
}

// sl_labels returns the pairs of a record; valid until pairs are added.
static inline sl_pair *sl_labels(sl_row *r) {
	uint32_t had = sl_b.header->pairs;
	return r->first >= had ? sl_b.room + (r->first - had) : sl_b.pairs + r->first;
}

// sl_named notes that a record was given a label.
static inline void sl_named(sl_record *r) {
	if (r->number > sl_b.named) sl_b.named = r->number;
}

SL_RARE sl_pair *sl_seek(sl_key *k, sl_pair *p, uint32_t labels, uint32_t n) {
	for (uint32_t i = 0; i < labels; i++)
		if (p[i].key == n) return p + (k->place = i);
	return 0;
}

// sl_find_number returns the label of a record whose name has the number of a key. A
// name that did not come with the batch no record has that comes after the last one
// that was given a label.
static inline sl_pair *sl_find_number(sl_record *r, sl_key *k, uint32_t n) {
	if (n >= sl_b.header->strings && (n == SL_NONE || r->number > sl_b.named)) return 0;
	sl_pair *p = sl_labels(r->row);
	uint32_t labels = r->row->labels;
	return k->place < labels && p[k->place].key == n ? p + k->place : sl_seek(k, p, labels, n);
}

static inline sl_pair *sl_find_label(sl_record *r, sl_key *k) { return sl_find_number(r, k, sl_number_of(k)); }

SL_RARE void sl_remove_at(sl_record *r, sl_pair *p) {
	sl_pair *end = sl_labels(r->row) + r->row->labels;
	for (; p + 1 < end; p++) p[0] = p[1];
	r->row->labels--;
}

// sl_move gives a record pairs of its own, behind all others, with room for n more.
static inline void sl_move(sl_row *r, uint32_t n) {
	uint32_t end = sl_b.header->pairs + sl_b.room_n;
	sl_b.room = sl_more(sl_b.room, sl_b.room_n, &sl_b.room_room, sl_b.room_n + r->labels + n, sizeof(sl_pair));
	sl_copy(sl_b.room + sl_b.room_n, sl_labels(r), r->labels * (uint32_t)sizeof(sl_pair));
	sl_b.room_n += r->labels;
	r->first = end;
}

static inline void sl_set_number(sl_record *r, sl_key *k, uint32_t value) {
	sl_pair *p = sl_find_label(r, k);
	if (p) {
		p->value = value;
		return;
	}
	uint32_t key = sl_make_number(k), had = sl_b.header->pairs;
	if (r->row->first < had || r->row->first + r->row->labels != had + sl_b.room_n) sl_move(r->row, 1);
	sl_b.room = sl_more(sl_b.room, sl_b.room_n, &sl_b.room_room, sl_b.room_n + 1, sizeof(sl_pair));
	sl_b.room[sl_b.room_n++] = (sl_pair){key, value};
	r->row->labels++;
	sl_named(r);
}

// sl_refuse gives the whole batch up: nothing of it is changed.
static inline void sl_refuse(sl_text why) {
	if (sl_b.refused == SL_BATCH_FAILED) return;
	sl_b.refused = SL_BATCH_FAILED;
	sl_host_fail(SL_BATCH_FAILED, -1, why.at, why.length);
}

static inline sl_row *sl_emit_row(sl_row *of) {
	uint32_t most = 2 * sl_b.header->records + 16;
	if (sl_b.added_n == most) {
		sl_refuse(SL("more records than a batch may become"));
		sl_b.added_n--;
	}
	sl_b.added = sl_more(sl_b.added, 0, &sl_b.added_room, most, sizeof(sl_row)); // at the first one, then it is there
	sl_row *r = sl_b.added + sl_b.added_n++;
	*r = *of;
	r->flags = 0;
	sl_move(r, 0);
	return r;
}

// sl_memo_at returns where the value for a string is, and whether it is known; from then
// on it is.
static inline int32_t *sl_memo_at(sl_memo *m, uint32_t n, bool *known) {
	if (m->batch != sl_b.opened) {
		m->batch = sl_b.opened;
		m->round++;
	}
	if (n >= m->room) {
		uint32_t had = m->room, room = m->room, most = n + 1 > sl_b.header->strings ? n + 1 : sl_b.header->strings;
		m->values = sl_more(m->values, had, &room, most, 4);
		m->marks = sl_more(m->marks, had, &m->room, most, 4);
		for (uint32_t i = had; i < m->room; i++) m->marks[i] = 0;
	}
	*known = m->marks[n] == m->round;
	m->marks[n] = m->round;
	return m->values + n;
}

static inline int32_t sl_memo_of(sl_memo *m, uint32_t n) {
	bool known;
	int32_t *v = sl_memo_at(m, n, &known);
	return known ? *v : (*v = m->f(sl_string_of(n)));
}

// sl_mapped returns the number of what a mapping makes of a string, SL_NONE for none.
static inline uint32_t sl_mapped(sl_mapping *m, uint32_t n) {
	bool known;
	int32_t *v = sl_memo_at(&m->memo, n, &known);
	if (!known) {
		sl_text s = sl_string_of(n), t = m->f(s);
		*v = (int32_t)(!t.length ? SL_NONE : sl_equal(s, t) ? n : sl_add(t));
	}
	return (uint32_t)*v;
}

static inline int64_t sl_refuse_block(void) {
	sl_text why = SL("the block is not a batch of interface 1");
	sl_host_fail(SL_BAD_BATCH, -1, why.at, why.length);
	return SL_BAD_BATCH;
}

// sl_answer ends a batch. An answer has an address or a code.
static inline int64_t sl_answer(void) {
	static sl_result x;
	uint32_t n = 0;
	for (uint32_t i = 0; i < sl_b.added_n; i++)
		if (!sl_b.added[i].flags) sl_b.added[n++] = sl_b.added[i];
	sl_b.added_n = n;
	for (int32_t i = 0; i < 32; i++)
		if (sl_b.counts[i]) {
			sl_host_count(i, sl_b.counts[i]);
			sl_b.counts[i] = 0;
		}
	if (sl_b.refused > SL_RECORD_FAILED || !(sl_b.texts_n + sl_b.added_n + sl_b.room_n)) return sl_b.refused;
	x = (sl_result){SL_MAGIC_RESULT, sl_b.texts_n, (uint32_t)(uintptr_t)sl_b.texts, sl_b.added_n, (uint32_t)(uintptr_t)sl_b.added,
		sl_b.room_n, (uint32_t)(uintptr_t)sl_b.room, 0};
	return (int64_t)((uint64_t)(uint32_t)(uintptr_t)&x << 32 | sizeof x);
}

#endif
