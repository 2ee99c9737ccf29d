package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is one that is wanted.
type Topic struct {
	Name       string
	Partitions int32             // 0: as many as the broker makes by default
	Replicas   int16             // 0: as many as the broker makes by default
	Config     map[string]string // of the topic, in Kafka's terms
}

// Admin looks after topics and groups.
type Admin struct {
	config Config
	cl     *kadm.Client
}

// adminPatience bounds how long one request is retried: an operator waits for it.
const adminPatience = 15 * time.Second

// NewAdmin makes an admin without connecting. Errors are *ConfigError.
func NewAdmin(config Config) (*Admin, error) {
	opts, err := config.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, kgo.RetryTimeout(adminPatience), kgo.MetadataMinAge(10*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("kafka admin: %w", err)
	}
	return &Admin{config: config, cl: kadm.NewClient(cl)}, nil
}

// Close closes the connections.
func (a *Admin) Close() { a.cl.Close() }

// Topics returns the number of partitions by topic, without Kafka's own topics.
func (a *Admin) Topics(ctx context.Context) (map[string]int32, error) {
	listed, err := a.cl.ListTopics(ctx)
	if err != nil {
		return nil, a.config.unreachable(err)
	}
	counts := make(map[string]int32, len(listed))
	for name, t := range listed {
		if t.Err == nil {
			counts[name] = int32(len(t.Partitions))
		}
	}
	return counts, nil
}

// EnsureTopics makes the topics that are missing and leaves those that exist as
// they are, whatever their partitions and configuration. It returns when every
// topic can be used, or with one error per topic, joined.
func (a *Admin) EnsureTopics(ctx context.Context, topics ...Topic) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	listed, err := a.cl.ListTopics(ctx, names...)
	if err != nil {
		return a.config.unreachable(err)
	}
	var errs []error
	for _, t := range topics {
		switch err := listed[t.Name].Err; {
		case err == nil && listed.Has(t.Name):
			continue
		case err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition):
			errs = append(errs, topicError(t.Name, "looking up", err))
		default:
			errs = append(errs, a.create(ctx, t))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return a.awaitTopics(ctx, names)
}

func (a *Admin) create(ctx context.Context, t Topic) error {
	partitions, replicas := t.Partitions, t.Replicas
	if partitions <= 0 {
		partitions = -1
	}
	if replicas <= 0 {
		replicas = -1
	}
	config := make(map[string]*string, len(t.Config))
	for k, v := range t.Config {
		config[k] = kadm.StringPtr(v)
	}
	_, err := a.cl.CreateTopic(ctx, partitions, replicas, config, t.Name)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) { // another instance was faster
		return nil
	}
	return topicError(t.Name, "creating", err)
}

func topicError(topic, doing string, err error) error {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("%s topic %s: this user has no right to; have it created, or allow Create and Describe on it: %w", doing, topic, err)
	case errors.Is(err, kerr.PolicyViolation):
		return fmt.Errorf("%s topic %s: the cluster's own policy refuses it: %w", doing, topic, err)
	}
	return fmt.Errorf("%s topic %s: %w", doing, topic, err)
}

// awaitTopics waits until the brokers tell of topics that were just made.
func (a *Admin) awaitTopics(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		listed, err := a.cl.ListTopics(ctx, names...)
		if err != nil {
			return a.config.unreachable(err)
		}
		if err = listed.Error(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for new topics: %w", err)
		case <-time.After(pause):
		}
	}
}
