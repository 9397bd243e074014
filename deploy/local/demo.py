"""The demonstration: start, load, tour, and what to type next; the federation stays up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from deploy.local import down, topology, up
from deploy.local.child import Policy
from deploy.local.layout import Layout
from deploy.local.loading import load_all, plan, remember
from deploy.local.state import is_locked
from deploy.local.topology import Topology
from deploy.local.tour import acts, onward, proof, questions
from deploy.local.tour.stage import Stage


def demonstrate(file: Path, layout: Layout, policy: Policy, residents: int, console: Console) -> None:
    """Runs the whole demonstration; refuses as its parts do, and leaves the federation up.

    Ctrl-C stops the federation too, unless it ran before.
    """
    console.rule("[bold]The federation starts", align="left")
    ran_before = is_locked(layout)
    up.start(file, layout, policy, console)
    try:
        network = topology.load(file)
        load_residents(layout, network, residents, console)
        asyncio.run(_tour(layout, network, console))
    except KeyboardInterrupt:
        if not ran_before:
            console.print("Stopping ...")
            down.stop(layout)
        raise


def load_residents(layout: Layout, network: Topology, residents: int, console: Console) -> None:
    """Registers synthetic residents at every municipality, with progress; those registered before stay as they are."""
    console.print()
    console.rule("[bold]Synthetic residents are registered", align="left")
    load = plan(layout, residents)
    if load.loaded == load.count:
        console.print(f"  {load.count} a municipality, by an earlier run; nobody of them exists")
        return
    rate = asyncio.run(load_all(layout, network, load, console))
    remember(layout, replace(load, loaded=load.count))
    console.print(f"  {rate:,.0f} residents a second, each act logged and notified; nobody of them exists")


async def _tour(layout: Layout, network: Topology, console: Console) -> None:
    stage = Stage(layout, network, console)
    try:
        story = await acts.tell_story(stage)
        node, first = await questions.ask(stage, story)
        await proof.follow(stage, node, first.receipt)
        stage.chapter("Go on: the federation is up")
        for command in onward.commands(stage, story):
            # Not wrapped, so that it can be copied.
            console.print(f"\n  {command}", markup=False, highlight=False, soft_wrap=True)
        console.print("\n  make status    make down")
    finally:
        await stage.close()
