package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/runtime"
)

// instance is a running instance that a command asks over HTTP.
type instance struct {
	url   string
	token string // reference, "" for none
}

// defaultURL is where an instance listens that nobody told otherwise.
const defaultURL = "http://127.0.0.1:7070"

// tokenVariable holds the token itself.
const tokenVariable = "SLUICE_TOKEN"

// tokenFlag adds the flag for the token of instances. The value is a reference.
func tokenFlag(flags *pflag.FlagSet) *string {
	return flags.String("token", "", "reference to the bearer token of the instance (default env://"+tokenVariable+" where that is set)")
}

// newInstance returns the instance at a URL, or at the default one for "".
func newInstance(url, token string) instance {
	if url == "" {
		url = os.Getenv("SLUICE_URL")
	}
	if url == "" {
		url = defaultURL
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if token == "" && os.Getenv(tokenVariable) != "" {
		token = "env://" + tokenVariable
	}
	return instance{strings.TrimRight(url, "/"), token}
}

// maxProblem bounds what is read of an error.
const maxProblem = 64 << 10

// get asks for a path; the caller closes the answer. Every error is one of the
// environment and says what to do.
func (i instance) get(ctx context.Context, path string) (io.ReadCloser, error) {
	return i.ask(ctx, http.MethodGet, path, nil)
}

// ask sends a request; the caller closes the answer. An error is one of the
// environment, as with get, or says that the instance refuses the request.
func (i instance) ask(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, i.url+path, body)
	if err != nil {
		return nil, environment(fmt.Errorf("--url %s: %w", i.url, causeOf(err)))
	}
	if i.token != "" {
		token, err := runtime.Secret(i.token)
		if err != nil {
			return nil, environment(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, environment(fmt.Errorf("no instance answers at %s: %w; start one, or say where it is with --url", i.url, causeOf(err)))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var problem struct {
		Detail string `json:"detail"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil || json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
		problem.Detail = resp.Status
	}
	if resp.StatusCode == http.StatusUnauthorized {
		problem.Detail += "; give --token env://NAME"
	}
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusConflict {
		return nil, &exitError{exitRejected, fmt.Errorf("the instance at %s refuses: %s", i.url, strings.TrimPrefix(problem.Detail, "rejected: "))}
	}
	return nil, environment(fmt.Errorf("the instance at %s does not give %s: %s", i.url, strings.TrimPrefix(path, "/"), problem.Detail))
}
