package ladder

import "time"

// Hand is a step that somebody has set by hand.
type Hand struct {
	Step   Step
	Until  time.Time
	Reason string
	By     string // who set it
	Set    time.Time
}

// Control is a ladder that can be overruled by hand for a time. The ladder goes on
// observing meanwhile, so that it stands right when the time is over. The zero
// Control stands at P0.
type Control struct {
	Ladder
	hand *Hand
}

// Force overrules the ladder. A later call takes the place of an earlier one.
func (c *Control) Force(h Hand) { c.hand = &h }

// Release lets the ladder decide again, and reports whether it had been overruled.
func (c *Control) Release() bool {
	was := c.hand != nil
	c.hand = nil
	return was
}

// Expire releases a ladder whose time by hand is over, and reports whether it was.
func (c *Control) Expire(now time.Time) bool {
	return c.hand != nil && !now.Before(c.hand.Until) && c.Release()
}

// Hand is what the ladder is overruled by, nil when it decides.
func (c *Control) Hand() *Hand { return c.hand }

// InForce is the step that holds: the one by hand, or the ladder's.
func (c *Control) InForce() Step {
	if c.hand != nil {
		return c.hand.Step
	}
	return c.step
}
