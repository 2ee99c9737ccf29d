package io.github.sluicemetrics.flink.control;

import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** The body of an answer, given up when it grows beyond a size. */
final class BoundedBody implements BodySubscriber<byte[]> {
  private final BodySubscriber<byte[]> whole = BodySubscribers.ofByteArray();
  private long left;
  private Flow.Subscription subscription;

  BoundedBody(int most) {
    left = most;
  }

  @Override
  public CompletionStage<byte[]> getBody() {
    return whole.getBody();
  }

  @Override
  public void onSubscribe(Flow.Subscription s) {
    subscription = s;
    whole.onSubscribe(s);
  }

  @Override
  public void onNext(List<ByteBuffer> part) {
    if (left < 0) {
      return;
    }
    for (ByteBuffer b : part) {
      left -= b.remaining();
    }
    if (left < 0) {
      subscription.cancel();
      whole.onError(new IOException("the answer is too large"));
    } else {
      whole.onNext(part);
    }
  }

  @Override
  public void onError(Throwable why) {
    whole.onError(why);
  }

  @Override
  public void onComplete() {
    if (left >= 0) {
      whole.onComplete();
    }
  }
}
