package rest

import (
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

// maxPluginBody bounds a plugin in base64, and what is beside it.
const maxPluginBody = runtime.MaxPlugin/3*4 + 4<<10

// pluginBody is a plugin.
type pluginBody struct {
	Wasm   []byte `json:"wasm"`             // the module, in base64, with its manifest
	Reason string `json:"reason,omitempty"` // why, for the audit
}

// pluginModule is the module of a plugin.
type pluginModule struct {
	Digest string `json:"digest"` // sha256: and 64 hexadecimal digits, of the module
	Wasm   []byte `json:"wasm"`   // the module, in base64
}

// pluginOperations are about the plugins that policies can refer to.
func pluginOperations() []operation {
	id := param{name: "id", in: inPath, kind: text, example: "sha256:0123abcd", about: "The digest of the plugin, 6 digits of it or more, or its name, @ and those."}
	return []operation{{
		id: "listPlugins", method: http.MethodGet, path: "/plugins", role: runtime.RoleViewer,
		summary: "The plugins that policies can refer to",
		params:  pageParams(),
		answer:  runtime.Page[runtime.StoredPlugin]{},
		handle: func(c *call) (any, error) {
			list, err := c.runtime.StoredPlugins()
			if err != nil {
				return nil, err
			}
			return pageOf(c, list, func(p runtime.StoredPlugin) string { return p.Name + " " + p.Version + " " + p.Digest })
		},
	}, runningPlugins(), {
		id: "getPlugin", method: http.MethodGet, path: "/plugins/{id}", role: runtime.RoleViewer,
		summary: "A plugin: what its manifest says, what it imports, how large it is",
		params:  []param{id},
		answer:  runtime.PluginDetails{},
		handle:  func(c *call) (any, error) { return c.runtime.Plugin(c.text("id")) },
	}, pluginModules(id), {
		id: "pushPlugin", method: http.MethodPost, path: "/plugins", role: runtime.RoleAdmin, changes: true, whole: true,
		maxBody: maxPluginBody, time: evaluationTime,
		summary: "Store a plugin for the whole fleet",
		about: "It is judged, and compiled and tried in a process with bounds, before it is stored. Policies refer to it as name@digest; " +
			"nothing runs it until they do. One that is there already is left as it is.",
		body:   pluginBody{Wasm: []byte("\x00asm\x01\x00\x00\x00"), Reason: "users are masked"},
		answer: runtime.StoredPlugin{},
		handle: func(c *call) (any, error) {
			body := bodyOf[pluginBody](c)
			c.target, c.reason = "plugin", body.Reason
			p, err := c.runtime.PushPlugin(c.ctx, c.actor, body.Wasm)
			if err == nil {
				c.target = "plugin " + p.Name + "@" + p.Digest
			}
			return p, err
		},
	}, {
		id: "deletePlugin", method: http.MethodDelete, path: "/plugins/{id}", role: runtime.RoleAdmin, changes: true, whole: true,
		summary: "Delete a plugin in the whole fleet",
		about: "One that policies refer to which run, govern a part or are tried stays (409). So does one that a revision refers to " +
			"which could be rolled back to, unless it is forced. The answer is what was deleted.",
		params: []param{id, {name: "force", in: inQuery, kind: yes, about: "Delete it although the history could not be rolled back to all of its revisions then.", example: "true"}},
		answer: runtime.StoredPlugin{},
		handle: func(c *call) (any, error) {
			c.target = "plugin " + c.text("id")
			p, err := c.runtime.DeletePlugin(c.ctx, c.actor, c.text("id"), c.yes("force"))
			if err == nil {
				c.target = "plugin " + p.Name + "@" + p.Digest
			}
			return p, err
		},
	}}
}

// runningPlugins is about what plugins do, wherever they came from.
func runningPlugins() operation {
	return operation{
		id: "listRunningPlugins", method: http.MethodGet, path: "/running-plugins", role: runtime.RoleViewer,
		summary: "The plugins that the policies of this instance run, or ran, and what they did",
		about:   "Numbers count since the instance started.",
		params:  pageParams(),
		answer:  runtime.Page[runtime.RunningPlugin]{},
		handle: func(c *call) (any, error) {
			return pageOf(c, c.runtime.Plugins(), func(p runtime.RunningPlugin) string { return p.Name + " " + p.Version + " " + p.Digest })
		},
	}
}

// pluginModules is about the modules themselves.
func pluginModules(id param) operation {
	return operation{
		id: "getPluginModule", method: http.MethodGet, path: "/plugins/{id}/module", role: runtime.RoleViewer,
		summary: "The module of a plugin: what sluice plan runs",
		params:  []param{id},
		answer:  pluginModule{},
		handle: func(c *call) (any, error) {
			digest, wasm, err := c.runtime.PluginModule(c.text("id"))
			return pluginModule{digest, wasm}, err
		},
	}
}
