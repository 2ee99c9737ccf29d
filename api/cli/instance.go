package cli

import (
	"os"

	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/api/client"
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
