package io.github.sluicemetrics.flink.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.FakeTransport;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.record.KeyForm;
import io.github.sluicemetrics.flink.record.Layout;
import io.github.sluicemetrics.flink.record.ReportWriter;
import io.github.sluicemetrics.flink.series.TaskIds;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EventShipperTest {
  private final Tally tally = new Tally();
  private final FakeTransport transport = new FakeTransport(tally);
  private final EventShipper shipper = new EventShipper(new TaskIds("", null, "c"), transport, tally, "t");

  private void fail(String job) {
    transport.sent.clear();
    shipper.ship(new Occurrence("JobFailureEvent", "INFO", 1, Map.of("<job_id>", job)));
  }

  @Test
  void theCountsOfAJobThatIsActiveStay() {
    shipper.writer(new ReportWriter(new Layout("r", KeyForm.TASK, List.of(), "t", "t"), e -> null, 1000, shipper));
    for (int i = 0; i < EventShipper.MAX_JOBS + 10; i++) {
      fail("old");
      fail("job" + i);
    }
    fail("old");
    List<String> failures = transport.of("failures");
    assertEquals(1, failures.size(), "the count does not begin anew");
    assertTrue(failures.get(0).contains("\"c\":" + (EventShipper.MAX_JOBS + 11)), failures.get(0));
    fail("job0");
    assertEquals(2, transport.of("failures").size(), "forgotten, so it begins with 0");
  }
}
