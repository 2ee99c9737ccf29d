package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime"
)

// Streams lists the streams that the instance reads.
func (c *Client) Streams(ctx context.Context) ([]runtime.Stream, error) {
	return all[runtime.Stream](ctx, c, "/streams", nil)
}

// PauseStream stops reading a stream for a time as policies write it ("": until it
// is resumed), and returns it after that.
func (c *Client) PauseStream(ctx context.Context, name, length, reason string) (s runtime.Stream, err error) {
	body := map[string]string{"reason": reason}
	if length != "" {
		body["for"] = length
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: Path("streams", name, "pause"), Body: body}, &s)
	return s, err
}

// ResumeStream goes on reading a stream.
func (c *Client) ResumeStream(ctx context.Context, name, reason string) (s runtime.Stream, err error) {
	body := map[string]string{}
	if reason != "" {
		body["reason"] = reason
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: Path("streams", name, "resume"), Body: body}, &s)
	return s, err
}

// DrainStream stops reading a stream and returns when everything that was read is
// committed, at the latest after a time as policies write it ("": 30s).
func (c *Client) DrainStream(ctx context.Context, name, within, reason string) (s runtime.Stream, err error) {
	body := map[string]string{"reason": reason}
	if within != "" {
		body["within"] = within
	}
	_, err = c.Do(ctx, Request{
		Method: http.MethodPost, Path: Path("streams", name, "drain"), Body: body, Patience: runtime.MaxDrainTime + Patience,
	}, &s)
	return s, err
}

// Top tells what weighs most, in one of runtime.TopOrders.
func (c *Client) Top(ctx context.Context, by string, limit int) (runtime.Top, error) {
	return get[runtime.Top](ctx, c, "/top", url.Values{"by": {by}, "limit": {strconv.Itoa(limit)}})
}

// Ledger returns what became of every sample.
func (c *Client) Ledger(ctx context.Context) (runtime.Ledger, error) {
	return get[runtime.Ledger](ctx, c, "/ledger", nil)
}

// Tap hands on the lines of a tap, as they come, until it ends, which is no error,
// or emit fails. The query has the parameters of the operation.
func (c *Client) Tap(ctx context.Context, query url.Values, emit func(line []byte) error) error {
	in, err := c.Stream(ctx, Request{Path: "/tap", Query: query})
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadBytes('\n')
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF // within a line
			fallthrough
		case err != nil:
			return fmt.Errorf("%w: the instance at %s ended the tap: %w", runtime.ErrUnreachable, c.URL(), err)
		case !json.Valid(text):
			return fmt.Errorf("%w: the instance at %s sends something else than samples", runtime.ErrUnreachable, c.URL())
		}
		if err := emit(text); err != nil {
			return err
		}
	}
}

// Letters lists dead letters, the newest first, from a cursor on.
func (c *Client) Letters(ctx context.Context, f runtime.LetterFilter, after string, limit int) (runtime.Page[runtime.Letter], error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, value := range map[string]string{"stream": f.Stream, "reason": f.Reason, "task": f.Task, "after": after} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return get[runtime.Page[runtime.Letter]](ctx, c, "/dead-letters", query)
}

// ReplayLetters sends dead letters again, or says which it would.
func (c *Client) ReplayLetters(ctx context.Context, q runtime.ReplayLettersRequest) (d runtime.ReplayedLetters, err error) {
	body := map[string]any{"limit": q.Limit, "send": q.Send}
	for name, value := range map[string]string{"stream": q.Stream, "reason": q.Reason, "task": q.Task} {
		if value != "" {
			body[name] = value
		}
	}
	if q.Offsets != nil {
		body["offsets"] = q.Offsets
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/dead-letters/replay", Body: body}, &d)
	return d, err
}
