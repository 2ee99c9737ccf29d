package client

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sluice-metrics/sluice/runtime"
)

// Plugins lists the plugins that policies can refer to.
func (c *Client) Plugins(ctx context.Context) ([]runtime.StoredPlugin, error) {
	return all[runtime.StoredPlugin](ctx, c, "/plugins", nil)
}

// RunningPlugins lists the plugins that the policies of the instance run or ran; see
// runtime.Runtime.Plugins.
func (c *Client) RunningPlugins(ctx context.Context) ([]runtime.RunningPlugin, error) {
	return all[runtime.RunningPlugin](ctx, c, "/running-plugins", nil)
}

// Plugin describes one; see runtime.Runtime.Plugin.
func (c *Client) Plugin(ctx context.Context, digest string) (runtime.PluginDetails, error) {
	return get[runtime.PluginDetails](ctx, c, Path("plugins", digest), nil)
}

// PluginModule returns the module with a digest.
func (c *Client) PluginModule(ctx context.Context, digest string) ([]byte, error) {
	type module struct {
		Wasm []byte `json:"wasm"`
	}
	m, err := get[module](ctx, c, Path("plugins", digest, "module"), nil)
	if err == nil && fmt.Sprintf("sha256:%x", sha256.Sum256(m.Wasm)) != digest {
		err = fmt.Errorf("%s hands out a plugin that is not %s", c.URL(), digest)
	}
	return m.Wasm, err
}

// PushPlugin stores a module for the whole fleet; see runtime.Runtime.PushPlugin.
func (c *Client) PushPlugin(ctx context.Context, wasm []byte, reason string) (p runtime.StoredPlugin, err error) {
	body := map[string]any{"wasm": wasm, "reason": reason}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/plugins", Body: body, Patience: changePatience}, &p)
	return p, err
}

// DeletePlugin deletes one in the whole fleet, and returns what it was; see
// runtime.Runtime.DeletePlugin.
func (c *Client) DeletePlugin(ctx context.Context, digest string, force bool) (p runtime.StoredPlugin, err error) {
	q := Request{Method: http.MethodDelete, Path: Path("plugins", digest)}
	if force {
		q.Query = url.Values{"force": {"true"}}
	}
	_, err = c.Do(ctx, q, &p)
	return p, err
}
