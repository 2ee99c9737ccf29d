package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/schema"
)

// SchemaServed says what [ServeSchema] serves, and where.
type SchemaServed struct {
	Address string // host and port
	Path    string // of the module, with its major version
	Version string // of the module: another schema has another one
}

// Prefix is the part of the module's path that a registry of CUE is chosen by.
func (s SchemaServed) Prefix() string { return filepath.ToSlash(filepath.Dir(schema.ImportPath)) }

// ServeSchema serves the schema as a module of CUE, for plain cue and for editors,
// until ctx ends. listen is a host and a port on loopback: what is served is not
// secret, but a registry that others reach is theirs to secure. ready is called
// once, when requests are answered. The error wraps ErrConfig or ErrUnreachable.
func ServeSchema(ctx context.Context, listen string, ready func(SchemaServed)) error {
	if err := loopback(listen); err != nil {
		return err
	}
	module, err := policy.NewSchemaModule()
	if err != nil {
		return err
	}
	registry, err := policy.NewRegistry(module)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	server := &http.Server{Handler: registry, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	ready(SchemaServed{l.Addr().String(), module.Path, module.Version})
	select {
	case err := <-ended:
		return fmt.Errorf("serve schema: %w", err)
	case <-ctx.Done():
	}
	// Answers are small and from memory: whoever asks again finds no server at once.
	if err := server.Close(); err != nil {
		return fmt.Errorf("serve schema: %w", err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve schema: %w", err)
	}
	return nil
}

// loopback refuses an address that other machines reach.
func loopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("%w: listen: %w", ErrConfig, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%w: listen: %s can be reached from other machines; the schema is served on loopback only, such as 127.0.0.1:5555", ErrConfig, listen)
	}
	return nil
}

// ExportSchema writes the definitions into dir, which is made when it is not there,
// and returns the names of the files. It replaces what an earlier export wrote, and
// refuses a directory with other CUE files, since CUE would take them for a part of
// the schema. The error wraps ErrConfig.
func ExportSchema(dir string) ([]string, error) {
	module, err := policy.NewSchemaModule()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range module.Definitions() {
		names = append(names, f.Name)
	}
	there, err := fs.Glob(os.DirFS(dir), "*.cue")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, name := range there {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: %s is not a file of the schema: remove it, or choose another directory", ErrConfig, filepath.Join(dir, name))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, f := range module.Definitions() {
		if err := replaceFile(filepath.Join(dir, f.Name), f.Text); err != nil {
			return nil, err
		}
	}
	return names, nil
}
