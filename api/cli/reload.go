package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-metrics/sluice/runtime"
)

// reloads loads the policy set again at every SIGHUP, from the call on, and
// shows what is found; what is wrong with it does not end the instance.
func reloads(r *runtime.Runtime, log *slog.Logger, out io.Writer) func(context.Context) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	return func(ctx context.Context) error {
		defer signal.Stop(asked)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-asked:
			}
			report, err := r.Reload(ctx)
			if rendered := renderReport(out, report); rendered != nil {
				log.Warn("findings cannot be shown", "error", rendered)
			}
			switch {
			case err != nil:
				log.Error("the policy set is not reloaded, the old one goes on", "error", err)
			case report.Refused():
				log.Error("the policy set is refused, the old one goes on", "findings", len(report.Findings))
			}
		}
	}
}
