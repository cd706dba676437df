"""Threads: whatever takes long lets others run, sessions of one's own give the same bits, and one that is shared takes turns."""

import concurrent.futures
import sys
import threading
import time
import unittest

import demo
import numpy as np

THREADS = 4


class Counter:
    """A thread that counts whenever it is let. While nobody is made to give way (the interval), it only counts in calls that let others run."""

    def __enter__(self):
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        self.count, self._ended = 0, False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended = True
        self._thread.join()
        sys.setswitchinterval(self._interval)

    def _run(self) -> None:
        while not self._ended:
            self.count += 1
            time.sleep(0)  # lets others run

    def counts_during(self, call, patience_s: float) -> bool:
        """Again and again, since the system need not wake the thread during one short call."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            before = self.count
            call()
            if self.count != before:
                return True
        return False


class Threads(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.model = demo.load(threads=1)
        cls.images = demo.inputs(cls.model, 100)
        session = cls.model.session(batch=1)
        cls.expected = np.concatenate([session.run(image[None]) for image in cls.images])

    def test_others_run_meanwhile(self) -> None:
        session, out = self.model.session(batch=100), np.empty((100, 10), np.float32)
        pixels = np.zeros((2000, 2000, 3), np.uint8)
        picture = demo.BOOT.read_bytes()
        with Counter() as counter:
            self.assertFalse(counter.counts_during(lambda: sum(range(100_000)), 0.2), "the counter cannot tell")
            for what, call in {
                "run": lambda: session.run(self.images, out=out),
                "preprocess": lambda: self.model.preprocess(pixels),
                "preprocess of a file": lambda: self.model.preprocess(picture),
                "classify": lambda: self.model.classify(pixels),
                "load": demo.load,
            }.items():
                with self.subTest(what):
                    self.assertTrue(counter.counts_during(call, 20), f"no other thread ran during {what}")

    def test_sessions_of_ones_own_give_the_bits_of_one_thread(self) -> None:
        def work(_: int) -> np.ndarray:
            session = self.model.session(batch=1)
            return np.concatenate([session.run(image[None]) for image in self.images])

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(work, range(THREADS)):
                np.testing.assert_array_equal(found, self.expected)

    def test_a_shared_session_takes_turns(self) -> None:
        session = self.model.session(batch=1)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for _ in range(5):
                found = np.concatenate(list(pool.map(lambda image: session.run(image[None]), self.images)))
                np.testing.assert_array_equal(found, self.expected)

    def test_a_session_goes_on_after_an_error_while_it_was_shared(self) -> None:
        session = self.model.session(batch=1)
        nan = np.full_like(self.images[:1], np.nan)

        def work(i: int) -> bool:
            try:
                return bool((session.run(nan if i % 2 else self.images[i : i + 1]) == self.expected[i]).all())
            except Exception as error:
                return getattr(error, "code", None) == "numeric" and i % 2 == 1

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            self.assertTrue(all(pool.map(work, range(100))))

    def test_threads_classify_with_one_model(self) -> None:
        model = demo.load(threads=1)  # its session is opened by whoever comes first
        pictures = [picture.read_bytes() for picture in demo.PICTURES[::10]]
        expected = [[(p.class_index, p.logit) for p in self.model.classify(picture)] for picture in pictures]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            found = [[(p.class_index, p.logit) for p in best] for best in pool.map(model.classify, pictures)]
        self.assertEqual(found, expected)

    def test_a_session_made_in_one_thread_runs_in_another(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            session = pool.submit(self.model.session).result()
        np.testing.assert_array_equal(session.run(self.images[:1]), self.expected[:1])


if __name__ == "__main__":
    unittest.main()
