package diag

import "fmt"

// Number writes a number of things that have a plural in s: 1 test, 2 tests.
func Number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
