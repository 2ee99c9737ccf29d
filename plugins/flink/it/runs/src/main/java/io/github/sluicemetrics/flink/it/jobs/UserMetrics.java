package io.github.sluicemetrics.flink.it.jobs;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.Meter;
import org.apache.flink.metrics.MeterView;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.metrics.DescriptiveStatisticsHistogram;

/** Passes records on and measures them in every way that Flink offers, the awkward ones among them. */
public final class UserMetrics extends RichMapFunction<Long, Long> {
    private static final long serialVersionUID = 1;
    private static final int WINDOW = 100;

    private final boolean broken;

    private transient Counter orders;
    private transient Counter open;
    private transient Counter berlin;
    private transient Counter paris;
    private transient Meter rate;
    private transient Histogram amount;
    private transient volatile long last;

    /** With broken there is a gauge that throws, for which Flink's Prometheus reporter gives no answer at all. */
    public UserMetrics(boolean broken) {
        this.broken = broken;
    }

    @Override
    public void open(OpenContext context) {
        MetricGroup group = getRuntimeContext().getMetricGroup();
        orders = group.counter("orders");
        open = group.counter("openOrders");
        berlin = group.addGroup("shop", "berlin").counter("sales");
        paris = group.addGroup("shop", "paris \"centre\"").counter("sales");
        rate = group.meter("ordersPerSecond", new MeterView(orders));
        amount = group.histogram("amount", new DescriptiveStatisticsHistogram(WINDOW));
        group.gauge("lastOrder", (Gauge<Long>) () -> last);
        group.gauge("share", (Gauge<Double>) () -> last % 100 / 100.0);
        group.gauge("phase", (Gauge<String>) () -> "steady \"ü\"");
        group.gauge("healthy", (Gauge<Boolean>) () -> true);
        group.gauge("undefined", (Gauge<Double>) () -> Double.NaN);
        group.gauge("ceiling", (Gauge<Double>) () -> Double.POSITIVE_INFINITY);
        group.gauge("exact", (Gauge<Long>) () -> Long.MAX_VALUE);
        group.gauge("absent", (Gauge<Object>) () -> null);
        group.addGroup("cache").gauge("size", (Gauge<Integer>) () -> 17);
        if (broken) {
            group.addGroup("cache").gauge("broken", (Gauge<Integer>) () -> {
                throw new IllegalStateException("a gauge that fails");
            });
        }
    }

    @Override
    public Long map(Long value) {
        last = value;
        orders.inc();
        rate.markEvent();
        amount.update(value % 1000);
        if (value % 3 == 0) {
            open.dec();
        } else {
            open.inc();
        }
        (value % 2 == 0 ? berlin : paris).inc();
        return value;
    }
}
