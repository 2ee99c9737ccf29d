package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

// tokenVariable holds the token itself.
const tokenVariable = "SLUICE_TOKEN"

// asking is how a command reaches instances: the flags that all such commands have.
type asking struct {
	url     string
	options client.Options
}

// instanceFlags adds the flags of a command that asks one instance.
func instanceFlags(flags *pflag.FlagSet) *asking {
	a := credentialFlags(flags)
	flags.StringVar(&a.url, "url", "", "instance to ask (default \""+client.DefaultURL+"\", or SLUICE_URL)")
	return a
}

// credentialFlags adds what a command gives to every instance that it asks.
func credentialFlags(flags *pflag.FlagSet) *asking {
	a := &asking{}
	o := &a.options
	flags.StringVar(&o.Token, "token", "", "reference to the bearer token of the instance (default env://"+tokenVariable+" where that is set)")
	flags.StringVar(&o.CA, "ca", "", "file of the certificates to trust besides those of the system (default SLUICE_CA)")
	flags.StringVar(&o.Cert, "cert", "", "file of a client certificate")
	flags.StringVar(&o.Key, "key", "", "file of its key")
	return a
}

// client returns a client of the instance.
func (a *asking) client() (*client.Client, error) { return a.at(a.url) }

// at returns a client of the instance at a URL, or at the default one for "".
func (a *asking) at(url string) (*client.Client, error) {
	o := a.options
	if o.URL = url; o.URL == "" {
		o.URL = os.Getenv("SLUICE_URL")
	}
	if o.Token == "" && os.Getenv(tokenVariable) != "" {
		o.Token = "env://" + tokenVariable
	}
	if o.CA == "" {
		o.CA = os.Getenv("SLUICE_CA")
	}
	return client.New(o)
}

// brokers asks the instance for its brokers, so that one with a broker of its own
// can be fed without knowing its port. Without flags and variables it is the one
// that would listen where the configuration says.
func (a *asking) brokers(ctx context.Context, cfg runtime.Config) ([]string, error) {
	own := *a
	if own.url == "" && os.Getenv("SLUICE_URL") == "" {
		scheme := "http://"
		if cfg.ListenTLS != nil && cfg.ListenTLS.Cert != "" {
			scheme = "https://"
		}
		own.url, own.options.Token = scheme+cfg.Listen, cmp.Or(own.options.Token, cfg.ListenToken)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	at, err := own.client()
	if err != nil {
		return nil, err
	}
	defer at.Close()
	s, err := at.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("without --brokers an instance is asked for its own: %w", err)
	}
	if len(s.Brokers) == 0 {
		return nil, environment(fmt.Errorf("the instance at %s is still starting: %s", at.URL(), s.Waiting))
	}
	return s.Brokers, nil
}
