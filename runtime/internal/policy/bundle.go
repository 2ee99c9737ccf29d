package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/sluice-metrics/sluice/schema"
)

// Bundle is a policy set that has passed every check of this package, ready to be
// compiled, stored and sent. It is plain data. A Bundle made by [Load] or
// [ReadBundle] has a digest that fits.
type Bundle struct {
	Set        Set        `json:"set"`
	Digest     string     `json:"digest"` // the revision: 64 hexadecimal digits, see Set.Digest
	Provenance Provenance `json:"provenance"`
	Versions   Versions   `json:"versions"`
	Tags       []string   `json:"tags,omitempty"` // with which the set was loaded

	// Modules are the plugins that are files of the set, by digest. They travel beside
	// a bundle, not in it: the set names their digests.
	Modules map[string][]byte `json:"-"`
}

// Versions are those of the tools that made a bundle.
type Versions struct {
	Schema string `json:"schema"` // apiVersion of the policy language
	CUE    string `json:"cue"`    // version of CUE
}

// cueVersion is the version of CUE that go.mod names; a test compares the two.
const cueVersion = "v0.17.1"

// newBundle returns the bundle of a set.
func newBundle(set Set, where Provenance, tags []string) (*Bundle, error) {
	digest, err := set.Digest()
	if err != nil {
		return nil, err
	}
	return &Bundle{
		Set: set, Digest: digest, Provenance: where, Tags: tags,
		Versions: Versions{Schema: schema.Version, CUE: cueVersion},
	}, nil
}

// Digest returns the SHA-256 of what the set deploys, in hexadecimal. Two sets have
// the same digest when they declare the same, however it is written and divided
// into files. Tests do not count, since they are not deployed.
func (s Set) Digest() (string, error) {
	text, err := json.Marshal(s.deployed())
	if err != nil {
		return "", fmt.Errorf("digest of a policy set: %w", err)
	}
	return digestOf(text), nil
}

func digestOf(set []byte) string {
	sum := sha256.Sum256(set)
	return hex.EncodeToString(sum[:])
}

// deployed is the set without its tests.
func (s Set) deployed() Set {
	out := Set{Teams: slices.Clone(s.Teams)}
	for i := range out.Teams {
		out.Teams[i].Test = nil
	}
	return out
}

// MarshalJSON writes the bundle without the tests of its set: the digest is that of
// the set as it stands in the text.
func (b *Bundle) MarshalJSON() ([]byte, error) {
	type plain Bundle
	out := plain(*b)
	out.Set = b.Set.deployed()
	return json.Marshal(&out)
}

// ReadBundle reads a bundle from JSON, as json.Marshal writes it, to the byte. It
// refuses unknown fields, another version of the language, and a set that does not
// have the digest.
func ReadBundle(text []byte) (*Bundle, error) {
	d, b := newDecoder(text), &Bundle{}
	var set []byte
	into := map[string]any{"digest": &b.Digest, "provenance": &b.Provenance, "versions": &b.Versions, "tags": &b.Tags, "set": &b.Set}
	err := d.object(func(key []byte) error {
		v := into[string(key)]
		if v == nil {
			return fmt.Errorf("unknown field %q, or there twice", key)
		}
		delete(into, string(key))
		d.next()
		begin := d.at
		err := d.decode(reflect.ValueOf(v).Elem())
		if v == &b.Set {
			set = text[begin:d.at]
		}
		return err
	})
	if err == nil && set == nil {
		err = errors.New("it has no set")
	}
	if err := cmp.Or(err, d.end()); err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if b.Versions.Schema != schema.Version {
		return nil, fmt.Errorf("read bundle: it is in language %q, and this program knows %s", b.Versions.Schema, schema.Version)
	}
	if digest := digestOf(set); digest != b.Digest {
		return nil, fmt.Errorf("read bundle: digest is %.12s, but the set has %.12s", b.Digest, digest)
	}
	return b, nil
}

// unmarshalStrict reads one JSON value and refuses unknown fields, and more after it.
func unmarshalStrict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}
