"""Writes the same stream of temperature readings each time: MQTT topics sensors/+/temperature."""

import json
import random
import sys

stream = random.Random(20261121)
with open(sys.argv[1], "w", encoding="utf-8") as out:
    for second in range(20_000):
        sensor = stream.randrange(40)
        reading = {
            "mqtt_topic": f"sensors/line-{sensor}/temperature",
            "timestamp": 1_795_000_000 + second,
            "celsius": round(stream.gauss(21.0 + sensor / 8, 0.6), 2),
        }
        out.write(json.dumps(reading) + "\n")
