// HashiCorp Vault's own core with its transit and AppRole backends, in memory, for tests.
//
// The whole server cannot be built from published Go modules; this much of it can. It takes the flags of `vault server
// -dev` that the tests use, so that a real `vault` or `bao` serves as well.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	log "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	flags.Bool("dev", true, "the only mode there is")
	token := flags.String("dev-root-token-id", "root", "id of the root token")
	address := flags.String("dev-listen-address", "127.0.0.1:8200", "where to listen")
	fatal(flags.Parse(os.Args[2:]))

	logger := log.New(&log.LoggerOptions{Level: log.Error})
	store, err := inmem.NewInmem(nil, logger)
	fatal(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           store,
		DisableMlock:       true,
		Logger:             logger,
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		BuiltinRegistry:    registry{},
	})
	fatal(err)
	ctx := context.Background()
	made, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}})
	fatal(err)
	for _, share := range made.SecretShares {
		_, err = core.Unseal(share)
		fatal(err)
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	listener, err := net.Listen("tcp", *address)
	fatal(err)
	go func() { fatal(http.Serve(listener, handler)) }()
	fatal(allow(listener.Addr().String(), made.RootToken, *token))
	select {}
}

// allow makes a root token of the given id.
func allow(address, root, id string) error {
	body := strings.NewReader(fmt.Sprintf(`{"id": %q, "policies": ["root"], "no_parent": true}`, id))
	request, err := http.NewRequest("POST", "http://"+address+"/v1/auth/token/create", body)
	if err != nil {
		return err
	}
	request.Header.Set("X-Vault-Token", root)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return fmt.Errorf("a root token cannot be made: %s", answer.Status)
	}
	return nil
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// registry tells the core of the two backends.
type registry struct{}

func backend(name string, kind consts.PluginType) logical.Factory {
	switch {
	case name == "transit" && kind == consts.PluginTypeSecrets:
		return transit.Factory
	case name == "approle" && kind == consts.PluginTypeCredential:
		return approle.Factory
	}
	return nil
}

func (registry) Contains(name string, kind consts.PluginType) bool { return backend(name, kind) != nil }

func (registry) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory := backend(name, kind)
	return func() (interface{}, error) { return factory, nil }, factory != nil
}

func (registry) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeSecrets {
		return []string{"transit"}
	}
	return []string{"approle"}
}

func (registry) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
