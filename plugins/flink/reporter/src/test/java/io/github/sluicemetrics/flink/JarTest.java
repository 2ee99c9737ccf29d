package io.github.sluicemetrics.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.ServiceLoader;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;
import org.apache.flink.metrics.reporter.Scheduled;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The jar as it is delivered, loaded as Flink loads plugins: nothing but Flink and slf4j around it. */
@Tag("jar")
class JarTest {
  private static final String KAFKA = "io.github.sluicemetrics.flink.shaded.kafka.";
  private static final Path JAR = Path.of(System.getProperty("shaded.jar"));

  /** What Flink's class loader for plugins lets through. */
  private static final class Flink extends ClassLoader {
    Flink() {
      super(ClassLoader.getPlatformClassLoader());
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
      if (name.startsWith("org.apache.flink.") || name.startsWith("org.slf4j.")) {
        return JarTest.class.getClassLoader().loadClass(name);
      }
      throw new ClassNotFoundException(name);
    }
  }

  private static URLClassLoader plugin() throws Exception {
    return new URLClassLoader(new URL[] {JAR.toUri().toURL()}, new Flink());
  }

  @Test
  void nothingOfOthersIsUnderItsOwnName() throws Exception {
    try (JarFile jar = new JarFile(JAR.toFile())) {
      List<String> foreign =
          jar.stream().map(e -> e.getName()).filter(n -> n.endsWith(".class") && !n.startsWith("io/github/sluicemetrics/"))
              .map(n -> n.substring(0, n.lastIndexOf('/'))).distinct().sorted().collect(Collectors.toList());
      foreign.removeIf(n -> n.startsWith("com/github/luben/zstd") || n.startsWith("net/jpountz")); // found by native code
      assertEquals(List.of(), foreign);
      List<String> services =
          jar.stream().map(e -> e.getName()).filter(n -> n.startsWith("META-INF/services/") && !n.endsWith("/")).sorted()
              .collect(Collectors.toList());
      assertEquals(
          List.of(
              "META-INF/services/org.apache.flink.events.reporter.EventReporterFactory",
              "META-INF/services/org.apache.flink.metrics.reporter.MetricReporterFactory"),
          services);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"ZSTD", "LZ4", "GZIP"})
  void compressorsWork(String type) throws Exception {
    try (URLClassLoader p = plugin()) {
      Class<?> types = p.loadClass(KAFKA + "common.record.CompressionType");
      Object t = types.getMethod("valueOf", String.class).invoke(null, type);
      Object builder = p.loadClass(KAFKA + "common.compress.Compression").getMethod("of", types).invoke(null, t);
      Object compression = build(builder);
      Class<?> bufferStream = p.loadClass(KAFKA + "common.utils.ByteBufferOutputStream");
      Object out = bufferStream.getConstructor(int.class).newInstance(1 << 16);
      Class<?> api = p.loadClass(KAFKA + "common.compress.Compression");
      byte[] text = "numRecordsInPerSecond ".repeat(1000).getBytes("UTF-8");
      try (OutputStream s = (OutputStream) api.getMethod("wrapForOutput", bufferStream, byte.class).invoke(compression, out, (byte) 2)) {
        s.write(text);
      }
      ByteBuffer b = (ByteBuffer) bufferStream.getMethod("buffer").invoke(out);
      b.flip();
      assertTrue(b.remaining() < text.length / 10, b.remaining() + " bytes");
      Class<?> supplier = p.loadClass(KAFKA + "common.utils.BufferSupplier");
      Object none = supplier.getField("NO_CACHING").get(null);
      try (InputStream in =
          (InputStream) api.getMethod("wrapForInput", ByteBuffer.class, byte.class, supplier).invoke(compression, b, (byte) 2, none)) {
        assertArrayEquals(text, in.readAllBytes());
      }
    }
  }

  private static Object build(Object builder) throws Exception {
    var m = builder.getClass().getMethod("build");
    m.setAccessible(true);
    return m.invoke(builder);
  }

  @Test
  void aReporterRunsAgainstABrokerThatIsNotThere() throws Exception {
    try (URLClassLoader p = plugin()) {
      MetricReporter r =
          ServiceLoader.load(MetricReporterFactory.class, p).stream().map(ServiceLoader.Provider::get)
              .filter(f -> f.getClass().getClassLoader() == p).findFirst().orElseThrow().createMetricReporter(new Properties());
      MetricConfig c = new MetricConfig();
      c.setProperty("bootstrap.servers", "127.0.0.1:1");
      c.setProperty("task-id.job-name-regex", "(.*)");
      r.open(c);
      r.notifyOfAddedMetric(new SimpleCounter(), "m", FakeGroup.operator(0, 0));
      ((Scheduled) r).report();
      ((Scheduled) r).report();
      r.close();
      assertEquals(p, r.getClass().getClassLoader());
    }
  }

  @Test
  void brokersThatAreAwayFillNoLog() throws Exception {
    Path log = Path.of(System.getProperty("org.slf4j.simpleLogger.logFile"));
    try (URLClassLoader p = plugin(); ServerSocket refusing = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      MetricReporter r =
          ServiceLoader.load(MetricReporterFactory.class, p).stream().map(ServiceLoader.Provider::get)
              .filter(f -> f.getClass().getClassLoader() == p).findFirst().orElseThrow().createMetricReporter(new Properties());
      MetricConfig c = new MetricConfig();
      c.setProperty("bootstrap.servers", "127.0.0.1:" + refusing.getLocalPort());
      long before = lines(log);
      long began = System.nanoTime();
      r.open(c);
      r.notifyOfAddedMetric(new SimpleCounter(), "m", FakeGroup.operator(0, 0));
      ((Scheduled) r).report();
      for (int attempts = 0; attempts < 5; attempts++) {
        refusing.accept().close();
      }
      double seconds = (System.nanoTime() - began) / 1e9;
      r.close();
      assertTrue(seconds > 4 * 0.5 * 0.8, "attempts follow each other too fast: 5 in " + seconds + " s");
      long written = lines(log) - before;
      assertTrue(written >= 2, "the log tells what happens");
      assertTrue(written <= 6, "lines about 5 attempts: " + written);
    }
  }

  /** Counts what is written about connections. */
  private static long lines(Path log) throws Exception {
    try (Stream<String> lines = Files.lines(log)) {
      return lines.filter(l -> l.contains(".kafka.clients.NetworkClient") || l.contains(".kafka.clients.Metadata")).count();
    }
  }
}
