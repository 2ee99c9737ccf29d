package egress

import "net/netip"

// class is a range of addresses that are refused unless they were allowed.
type class struct {
	prefix netip.Prefix
	name   string
}

// classes are all addresses that are not public, from the special-purpose
// registries of IANA (RFC 6890 and its updates). The first that contains an
// address names it.
var classes = []class{
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("169.254.169.254/32"), "cloud metadata"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "cloud metadata"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fec0::/10"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("198.18.0.0/15"), "reserved"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("100::/64"), "reserved"},
	{netip.MustParsePrefix("2002::/16"), "tunnel"}, // 6to4, Teredo, local NAT64 and
	{netip.MustParsePrefix("2001::/32"), "tunnel"}, // IPv4-compatible addresses end
	{netip.MustParsePrefix("64:ff9b:1::/48"), "tunnel"},
	{netip.MustParsePrefix("::/96"), "tunnel"}, // at an IPv4 address nobody checked
}

// nat64 is the well-known prefix whose last 32 bits are an IPv4 address (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// classify returns the kind of a, "" when it is public.
func classify(a netip.Addr) string {
	for _, c := range classes {
		if c.prefix.Contains(a) {
			return c.name
		}
	}
	return ""
}

// target returns the address that a packet to a ends at: without its zone, and
// the IPv4 address where IPv6 only carries one.
func target(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}
