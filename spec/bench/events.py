"""Made-up vendor events of about one kilobyte, as Sysmon writes them; deterministic."""
import json
import random

IMAGES = ["svchost.exe", "chrome.exe", "dllhost.exe", "explorer.exe", "teams.exe", "msedge.exe", "conhost.exe"]


def sysmon(number):
    """One process or image-load event."""
    dice = random.Random(number)
    image = dice.choice(IMAGES)
    digest = "%064x" % dice.getrandbits(256)
    return {
        "Event": {
            "System": {
                "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
                "EventID": dice.choice([1, 3, 5, 7, 10, 11, 13]), "Version": 5, "Level": 4, "Opcode": 0,
                "Keywords": "0x8000000000000000", "EventRecordID": 1000000 + number,
                "Execution": {"#attributes": {"ProcessID": "2824", "ThreadID": str(dice.randrange(9999))}},
                "Channel": "Microsoft-Windows-Sysmon/Operational",
                "Computer": f"PC-{dice.randrange(500):03d}.example.test",
                "Security": {"#attributes": {"UserID": "S-1-5-18"}},
            },
            "EventData": {
                "RuleName": "-", "ProcessGuid": "{83eb9c06-%04x-65f0-4f02-0010984a4b7a}" % dice.randrange(65536),
                "ProcessId": str(dice.randrange(20000)), "Image": f"C:\\Windows\\System32\\{image}",
                "ImageLoaded": f"C:\\Program Files\\Vendor\\module{dice.randrange(300)}.dll",
                "CommandLine": f"C:\\Windows\\System32\\{image} -k netsvcs -p -s Service{dice.randrange(90)}",
                "User": f"EXAMPLE\\user{dice.randrange(2000)}", "Company": "Vendor, Inc.",
                "Hashes": f"SHA256={digest}", "Signed": "true", "SignatureStatus": "Valid",
                "ParentImage": "C:\\Windows\\System32\\services.exe", "Description": "x" * dice.randrange(100, 200),
            },
        },
    }


def batch(first, size):
    """NDJSON bytes of events first … first + size - 1."""
    return b"".join(json.dumps(sysmon(n), separators=(",", ":")).encode() + b"\n" for n in range(first, first + size))


if __name__ == "__main__":
    import sys
    sys.stdout.buffer.write(batch(0, int(sys.argv[1])))
